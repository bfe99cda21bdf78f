import { statement } from '../../../platform/statement.js'
import type { EventId } from '../../../protocol/ids.js'
import type { EventRow } from '../room-event.js'
import { EVENT_COLUMNS, EVENT_TABLES } from './events.js'

/**
 * The auth chain, walked by index: `OFFSET 0` keeps the planner, which cannot know how long a chain is, from reading the
 * whole table instead.
 */
const CHAIN = `chain(event_nid) AS (
    SELECT event_nid FROM roomserver.events WHERE event_id = ANY($1::text[])
    UNION
    SELECT a.event_nid FROM chain c CROSS JOIN LATERAL (
      SELECT unnest(x.auth_event_nids) AS event_nid FROM roomserver.events x WHERE x.event_nid = c.event_nid OFFSET 0) a)`

/** Events with all events of their auth chains. */
export const SELECT_AUTH_CHAINS = statement<EventRow, [eventIds: readonly string[]]>(
  'roomserver.events.select_auth_chains',
  `WITH RECURSIVE ${CHAIN}
  SELECT x.* FROM chain CROSS JOIN LATERAL (
    SELECT ${EVENT_COLUMNS} FROM ${EVENT_TABLES} WHERE e.event_nid = chain.event_nid OFFSET 0) x`,
)

export interface AuthEdgeRow {
  readonly event_id: EventId
  readonly auth_event_ids: EventId[]
}

/** The edges behind events, without the events. */
export const SELECT_AUTH_EDGES = statement<AuthEdgeRow, [eventIds: readonly string[]]>(
  'roomserver.events.select_auth_edges',
  `WITH RECURSIVE ${CHAIN}
  SELECT x.* FROM chain CROSS JOIN LATERAL (
    SELECT e.event_id, ARRAY(
        SELECT y.event_id FROM unnest(e.auth_event_nids) AS b(event_nid)
        JOIN roomserver.events y ON y.event_nid = b.event_nid
      ) AS auth_event_ids
    FROM roomserver.events e WHERE e.event_nid = chain.event_nid OFFSET 0) x`,
)
