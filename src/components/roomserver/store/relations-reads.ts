import { statement } from '../../../platform/statement.js'
import type { EventId, UserId } from '../../../protocol/ids.js'

/** Edits of one event that are looked at to find the newest valid one: a text may lack `m.new_content`. */
export const EDIT_CANDIDATES = 5
/** Referencing events that are named in an aggregation. */
export const MAX_REFERENCES = 1_000

export interface ChildrenRow {
  readonly target_id: EventId
  /** Newest first, by origin_server_ts and event id. */
  readonly edit_nids: number[]
  readonly reference_ids: EventId[]
  readonly thread_count: number
  readonly thread_latest_nid: number | null
  readonly thread_latest_id: EventId | null
  readonly thread_senders: UserId[]
}

/**
 * Child events of those targets that have any, of each up to and including a position: only ones in the timeline of the
 * target's room. An edit has the sender and type of its target, which is no edit itself; neither is a state event.
 */
export const SELECT_CHILDREN = statement<ChildrenRow, [targetIds: readonly string[], upTo: readonly number[]]>(
  'roomserver.relations.select_children',
  `WITH target AS (
    SELECT e.event_id, e.room_nid, e.sender, e.type_nid, e.state_key_nid, w.up_to,
      own.event_nid IS NOT NULL AS is_edit
    FROM unnest($1::text[], $2::bigint[]) AS w(event_id, up_to)
    JOIN roomserver.events e ON e.event_id = w.event_id
    LEFT JOIN roomserver.relations own ON own.event_nid = e.event_nid AND own.rel_type = 'm.replace'
    WHERE EXISTS (SELECT FROM roomserver.relations l WHERE l.relates_to = e.event_id))
  SELECT t.event_id AS target_id, edits.nids AS edit_nids, refs.ids AS reference_ids,
    thread.count AS thread_count, thread.latest_nid AS thread_latest_nid, thread.latest_id AS thread_latest_id,
    thread.senders AS thread_senders
  FROM target t
  CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(x.event_nid ORDER BY x.origin_server_ts DESC, x.event_id DESC), '{}') AS nids
    FROM (
      SELECT e.event_nid, e.event_id, e.origin_server_ts
      FROM roomserver.relations l JOIN roomserver.events e ON e.event_nid = l.event_nid
      WHERE l.relates_to = t.event_id AND l.rel_type = 'm.replace' AND l.room_nid = t.room_nid
        AND l.sender = t.sender AND l.type_nid = t.type_nid AND t.state_key_nid IS NULL AND e.state_key_nid IS NULL
        AND e.position <= t.up_to AND e.redacted_by_nid IS NULL AND NOT t.is_edit
      ORDER BY e.origin_server_ts DESC, e.event_id DESC LIMIT ${EDIT_CANDIDATES}) x) edits
  CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(x.event_id ORDER BY x.position), '{}') AS ids
    FROM (
      SELECT e.event_id, e.position
      FROM roomserver.relations l JOIN roomserver.events e ON e.event_nid = l.event_nid
      WHERE l.relates_to = t.event_id AND l.rel_type = 'm.reference' AND l.room_nid = t.room_nid AND e.position <= t.up_to
      ORDER BY e.position LIMIT ${MAX_REFERENCES}) x) refs
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, (array_agg(e.event_nid ORDER BY e.depth DESC, e.position DESC))[1] AS latest_nid,
      (array_agg(e.event_id ORDER BY e.depth DESC, e.position DESC))[1] AS latest_id,
      coalesce(array_agg(DISTINCT e.sender), '{}') AS senders
    FROM roomserver.relations l JOIN roomserver.events e ON e.event_nid = l.event_nid
    WHERE l.relates_to = t.event_id AND l.rel_type = 'm.thread' AND l.room_nid = t.room_nid AND e.position <= t.up_to) thread`,
)
