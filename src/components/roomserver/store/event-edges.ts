import { statement } from '../../../platform/statement.js'
import type { EventId } from '../../../protocol/ids.js'

/** Of these events the ones that an accepted event has as its predecessor: they are no forward extremities. */
export const SELECT_EVENTS_WITH_CHILDREN = statement<{ readonly event_id: EventId }, [eventIds: readonly string[]]>(
  'roomserver.event_edges.select_with_children',
  `SELECT w.event_id FROM unnest($1::text[]) AS w(event_id)
  CROSS JOIN LATERAL (
    SELECT FROM roomserver.event_edges d
    CROSS JOIN LATERAL (
      SELECT FROM roomserver.events e
      WHERE e.event_nid = d.event_nid AND e.verdict = 0 AND e.snapshot_id IS NOT NULL OFFSET 0) child
    WHERE d.prev_event_id = w.event_id LIMIT 1) found`,
)
