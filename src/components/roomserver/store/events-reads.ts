import { statement } from '../../../platform/statement.js'
import type { RoomId } from '../../../protocol/ids.js'
import { type EventFilterParams, eventFilterSql } from './event-filter-sql.js'

/** An event of a timeline by its place, without what it says. */
export interface TimelineRow {
  readonly event_nid: number
  readonly depth: number
  readonly position: number
}

export interface NewestRow extends TimelineRow {
  readonly room_id: RoomId
}

type RangeColumns = [
  roomIds: readonly string[],
  after: readonly number[],
  upTo: readonly number[],
  wanted: readonly number[],
]

/** The newest events of each room in (after, upTo], newest first. */
export const SELECT_NEWEST = statement<NewestRow, RangeColumns>(
  'roomserver.events.select_newest',
  `SELECT w.room_id, n.event_nid, n.depth, n.position
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[]) AS w(room_id, after, up_to, wanted)
  JOIN roomserver.rooms r ON r.room_id = w.room_id AND r.last_position > w.after
  CROSS JOIN LATERAL (
    SELECT e.event_nid, e.depth, e.position FROM roomserver.events e
    WHERE e.room_nid = r.room_nid AND e.position > w.after AND e.position <= w.up_to
    ORDER BY e.position DESC LIMIT w.wanted) n
  ORDER BY n.position DESC`,
)

/** Columns that a filter looks at, and the place. */
const SCANNED_COLUMNS = 'e.event_nid, e.event_id, e.room_nid, e.type_nid, e.sender, e.contains_url, e.depth, e.position'

/** `event_nid` is null in a row that says where the search stopped, having looked at as many events as it may. */
export type FilteredNewestRow = Omit<NewestRow, 'event_nid'> & { readonly event_nid: number | null }

/** The same with a filter, of which each room is given `scan` events to find something in. */
export const SELECT_NEWEST_FILTERED = statement<
  FilteredNewestRow,
  [...RangeColumns, scan: number, ...EventFilterParams]
>(
  'roomserver.events.select_newest_filtered',
  `SELECT w.room_id, n.event_nid, n.depth, n.position
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[]) AS w(room_id, after, up_to, wanted)
  JOIN roomserver.rooms r ON r.room_id = w.room_id AND r.last_position > w.after
  CROSS JOIN LATERAL (
    WITH scanned AS MATERIALIZED (
      SELECT ${SCANNED_COLUMNS} FROM roomserver.events e
      WHERE e.room_nid = r.room_nid AND e.position > w.after AND e.position <= w.up_to
      ORDER BY e.position DESC LIMIT $5),
    found AS (
      SELECT e.event_nid, e.depth, e.position FROM scanned e WHERE ${eventFilterSql(6)}
      ORDER BY e.position DESC LIMIT w.wanted),
    stopped AS (
      SELECT NULL::bigint AS event_nid, s.depth, s.position FROM scanned s
      WHERE (SELECT count(*) FROM scanned) = $5
      ORDER BY s.position LIMIT 1)
    SELECT * FROM found UNION ALL SELECT * FROM stopped) n
  ORDER BY n.position DESC`,
)

/** A stretch of the topological order: (depth, position) above `from` and up to and including `to`. */
export type StretchColumns = [
  roomNid: number,
  fromDepth: number,
  fromPosition: number,
  toDepth: number,
  toPosition: number,
  limit: number,
]

const stretchSql = (columns: string, order: 'ASC' | 'DESC', limit: string): string => `
  SELECT ${columns} FROM roomserver.events e
  WHERE e.room_nid = $1 AND e.position IS NOT NULL
    AND (e.depth, e.position) > ($2::bigint, $3::bigint) AND (e.depth, e.position) <= ($4::bigint, $5::bigint)
  ORDER BY e.depth ${order}, e.position ${order} LIMIT ${limit}`

export const SELECT_STRETCH_BACKWARD = statement<TimelineRow, StretchColumns>(
  'roomserver.events.select_backward',
  stretchSql('e.event_nid, e.depth, e.position', 'DESC', '$6'),
)

export const SELECT_STRETCH_FORWARD = statement<TimelineRow, StretchColumns>(
  'roomserver.events.select_forward',
  stretchSql('e.event_nid, e.depth, e.position', 'ASC', '$6'),
)

/** `event_nid` is null in the row, after all others, that says where the search stopped short of the stretch's end. */
export interface FilteredRow {
  readonly event_nid: number | null
  readonly depth: number
  readonly position: number
}

/** A filter that finds little looks at this many events per statement, and says where it stopped. */
export const FILTER_SCAN = 5_000

const filteredSql = (order: 'ASC' | 'DESC'): string => {
  const back = order === 'ASC' ? 'DESC' : 'ASC'
  return `
  WITH scanned AS MATERIALIZED (${stretchSql(SCANNED_COLUMNS, order, String(FILTER_SCAN))}),
  found AS (
    SELECT e.event_nid, e.depth, e.position FROM scanned e WHERE ${eventFilterSql(7)}
    ORDER BY e.depth ${order}, e.position ${order} LIMIT $6),
  stopped AS (
    SELECT NULL::bigint AS event_nid, s.depth, s.position FROM scanned s
    WHERE (SELECT count(*) FROM scanned) = ${FILTER_SCAN}
    ORDER BY s.depth ${back}, s.position ${back} LIMIT 1)
  SELECT * FROM (SELECT * FROM found UNION ALL SELECT * FROM stopped) x
  ORDER BY x.event_nid IS NULL, x.depth ${order}, x.position ${order}`
}

export const SELECT_STRETCH_BACKWARD_FILTERED = statement<FilteredRow, [...StretchColumns, ...EventFilterParams]>(
  'roomserver.events.select_backward_filtered',
  filteredSql('DESC'),
)

export const SELECT_STRETCH_FORWARD_FILTERED = statement<FilteredRow, [...StretchColumns, ...EventFilterParams]>(
  'roomserver.events.select_forward_filtered',
  filteredSql('ASC'),
)

/** The greatest depth among the last events that had arrived at a position: forks make depth and arrival differ. */
export const SELECT_DEPTH_AT = statement<{ readonly depth: number | null }, [roomId: string, position: number]>(
  'roomserver.events.select_depth_at',
  `SELECT max(recent.depth) AS depth FROM (
    SELECT e.depth FROM roomserver.events e
    WHERE e.room_nid = (SELECT r.room_nid FROM roomserver.rooms r WHERE r.room_id = $1) AND e.position <= $2
    ORDER BY e.position DESC LIMIT 50) recent`,
)

/** Whether there is history that other servers have and this one has not. */
export const SELECT_HAS_GAP = statement<{ readonly gap: boolean }, [roomNid: number]>(
  'roomserver.backward_extremities.select_exists',
  'SELECT EXISTS (SELECT FROM roomserver.backward_extremities WHERE room_nid = $1) AS gap',
)

export interface StateJsonRow {
  readonly room_id: RoomId
  readonly event_nid: number
  readonly position: number | null
  readonly json: string
}

/** Every event of one key that a room has ever had, outliers and refused ones too: nobody relies on what is not among them. */
export const SELECT_KEY_HISTORY = statement<StateJsonRow, [roomIds: readonly string[], type: string, stateKey: string]>(
  'roomserver.events.select_key_history',
  `SELECT r.room_id, e.event_nid, e.position, e.json
  FROM roomserver.rooms r
  JOIN roomserver.event_types t ON t.type = $2
  JOIN roomserver.state_keys k ON k.state_key = $3
  JOIN roomserver.events e
    ON e.room_nid = r.room_nid AND e.type_nid = t.type_nid AND e.state_key_nid = k.state_key_nid
  WHERE r.room_id = ANY($1::text[])`,
)

/**
 * Newest accepted events of a member that may be joins, of each room; the text is only looked through, and whoever asks
 * has to read it. A redaction keeps the membership, so the text always tells.
 */
export const SELECT_POSSIBLE_JOINS = statement<StateJsonRow, [roomIds: readonly string[], userId: string]>(
  'roomserver.events.select_possible_joins',
  `SELECT r.room_id, n.event_nid, n.position, n.json
  FROM roomserver.rooms r
  JOIN roomserver.event_types t ON t.type = 'm.room.member'
  JOIN roomserver.state_keys k ON k.state_key = $2
  CROSS JOIN LATERAL (
    SELECT e.event_nid, e.position, e.json FROM roomserver.events e
    WHERE e.room_nid = r.room_nid AND e.type_nid = t.type_nid AND e.state_key_nid = k.state_key_nid
      AND e.verdict = 0 AND e.position IS NOT NULL AND e.json LIKE '%"membership":"join"%'
    ORDER BY e.position DESC LIMIT 20) n
  WHERE r.room_id = ANY($1::text[])`,
)
