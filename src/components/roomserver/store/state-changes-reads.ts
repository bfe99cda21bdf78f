import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId } from '../../../protocol/ids.js'

export interface UndoRow {
  readonly room_id: RoomId
  readonly type: string
  readonly state_key: string
  /** What the key held before the oldest change after the position; null: nothing. */
  readonly replaced_nid: number | null
}

/** How to get from the current state of rooms back to their states at positions. */
export const SELECT_UNDO = statement<UndoRow, [roomIds: readonly string[], positions: readonly number[]]>(
  'roomserver.state_changes.select_undo',
  `SELECT w.room_id, t.type, k.state_key, u.replaced_nid
  FROM unnest($1::text[], $2::bigint[]) AS w(room_id, position)
  JOIN roomserver.rooms r ON r.room_id = w.room_id
  CROSS JOIN LATERAL (
    SELECT DISTINCT ON (c.type_nid, c.state_key_nid) c.type_nid, c.state_key_nid, c.replaced_nid
    FROM roomserver.state_changes c
    WHERE c.room_nid = r.room_nid AND c.position > w.position
    ORDER BY c.type_nid, c.state_key_nid, c.position) u
  JOIN roomserver.event_types t ON t.type_nid = u.type_nid
  JOIN roomserver.state_keys k ON k.state_key_nid = u.state_key_nid`,
)

export interface DeltaRow {
  readonly room_id: RoomId
  readonly type: string
  readonly state_key: string
  /** Null: the key is gone. */
  readonly event_nid: number | null
  readonly replaced_id: EventId | null
}

/** The newest change of each key in (after, upTo], in the order of the clock. */
export const SELECT_DELTA = statement<
  DeltaRow,
  [roomIds: readonly string[], after: readonly number[], upTo: readonly number[]]
>(
  'roomserver.state_changes.select_delta',
  `SELECT w.room_id, t.type, k.state_key, d.event_nid, e.event_id AS replaced_id
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w(room_id, after, up_to)
  JOIN roomserver.rooms r ON r.room_id = w.room_id
  CROSS JOIN LATERAL (
    SELECT DISTINCT ON (c.type_nid, c.state_key_nid)
      c.type_nid, c.state_key_nid, c.event_nid, c.replaced_nid, c.position
    FROM roomserver.state_changes c
    WHERE c.room_nid = r.room_nid AND c.position > w.after AND c.position <= w.up_to
    ORDER BY c.type_nid, c.state_key_nid, c.position DESC) d
  JOIN roomserver.event_types t ON t.type_nid = d.type_nid
  JOIN roomserver.state_keys k ON k.state_key_nid = d.state_key_nid
  LEFT JOIN roomserver.events e ON e.event_nid = d.replaced_nid
  ORDER BY d.position`,
)
