import { statement } from '../../../platform/statement.js'
import type { TimelineRow } from './events-reads.js'

/** What relates to an event, and to what relates to it, so far: MSC3981 asks for three at least. */
export const MAX_RECURSION = 3

/** Events within a stretch of the topological order: (depth, position) above `from` and up to and including `to`. */
export type RelatedColumns = [
  roomNid: number,
  targetId: string,
  hops: number,
  relType: string | null,
  eventType: string | null,
  notSenders: readonly string[],
  fromDepth: number,
  fromPosition: number,
  toDepth: number,
  toPosition: number,
  limit: number,
]

/** Each event relates to one other at most, so what is found is a tree: no event is found twice. */
const relatedSql = (order: 'ASC' | 'DESC'): string => `
  WITH RECURSIVE related AS (
    SELECT l.event_nid, l.rel_type, e.event_id, e.type_nid, e.sender, e.state_key_nid, e.depth, e.position, 1 AS hops
    FROM roomserver.relations l JOIN roomserver.events e ON e.event_nid = l.event_nid
    WHERE l.relates_to = $2 AND l.room_nid = $1 AND e.position IS NOT NULL
    UNION ALL
    SELECT l.event_nid, l.rel_type, e.event_id, e.type_nid, e.sender, e.state_key_nid, e.depth, e.position, r.hops + 1
    FROM related r
    JOIN roomserver.relations l ON l.relates_to = r.event_id AND l.room_nid = $1
    JOIN roomserver.events e ON e.event_nid = l.event_nid
    WHERE r.hops < $3::int AND e.position IS NOT NULL)
  SELECT r.event_nid, r.depth, r.position FROM related r
  WHERE ($4::text IS NULL OR r.rel_type = $4::text)
    AND ($5::text IS NULL OR r.type_nid = (SELECT t.type_nid FROM roomserver.event_types t WHERE t.type = $5::text))
    AND (r.state_key_nid IS NOT NULL OR r.sender <> ALL($6::text[]))
    AND (r.depth, r.position) > ($7::bigint, $8::bigint) AND (r.depth, r.position) <= ($9::bigint, $10::bigint)
  ORDER BY r.depth ${order}, r.position ${order} LIMIT $11`

export const SELECT_RELATED_BACKWARD = statement<TimelineRow, RelatedColumns>(
  'roomserver.relations.select_backward',
  relatedSql('DESC'),
)

export const SELECT_RELATED_FORWARD = statement<TimelineRow, RelatedColumns>(
  'roomserver.relations.select_forward',
  relatedSql('ASC'),
)

export interface ThreadRow {
  readonly event_nid: number
  /** Of the newest event in the thread. */
  readonly latest: number
}

/**
 * Roots of the threads of a room whose newest event, up to a position, came last of all first. What ignored users say in
 * a thread makes none and moves none.
 */
export const SELECT_THREADS = statement<
  ThreadRow,
  [roomNid: number, before: number, participant: string | null, notSenders: readonly string[], limit: number]
>(
  'roomserver.relations.select_threads',
  `SELECT root.event_nid, thread.latest
  FROM (
    SELECT l.relates_to, max(e.position) AS latest, bool_or(e.sender = $3::text) AS participated
    FROM roomserver.relations l JOIN roomserver.events e ON e.event_nid = l.event_nid
    WHERE l.room_nid = $1 AND l.rel_type = 'm.thread' AND e.position <= $2 AND e.sender <> ALL($4::text[])
    GROUP BY l.relates_to) thread
  JOIN roomserver.events root ON root.event_id = thread.relates_to
  WHERE root.room_nid = $1 AND root.position IS NOT NULL
    AND ($3::text IS NULL OR thread.participated OR root.sender = $3::text)
  ORDER BY thread.latest DESC LIMIT $5`,
)

/** The accepted event of the timeline nearest to a time, among those on one side of it, and those after it in that order. */
const byTimeSql = (comparison: '<=' | '>=', order: 'ASC' | 'DESC'): string => `
  SELECT e.event_nid, e.origin_server_ts AS ts FROM roomserver.events e
  WHERE e.room_nid = $1 AND e.position IS NOT NULL AND e.origin_server_ts ${comparison} $2::bigint
  ORDER BY e.origin_server_ts ${order}, e.depth ${order}, e.position ${order} OFFSET $3 LIMIT $4`

type ByTimeColumns = [roomNid: number, ts: number, skip: number, limit: number]
export interface ByTimeRow {
  readonly event_nid: number
  readonly ts: number
}

export const SELECT_UP_TO_TIME = statement<ByTimeRow, ByTimeColumns>(
  'roomserver.events.select_up_to_time',
  byTimeSql('<=', 'DESC'),
)

export const SELECT_FROM_TIME = statement<ByTimeRow, ByTimeColumns>(
  'roomserver.events.select_from_time',
  byTimeSql('>=', 'ASC'),
)
