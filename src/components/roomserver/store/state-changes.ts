import { statement } from '../../../platform/statement.js'

export interface ChangeRow {
  readonly position: number
  readonly type: string
  readonly state_key: string
  readonly event_nid: number | null
  readonly replaced_nid: number | null
}

/** Changes of the current state at these positions: each position belongs to one room. */
export const SELECT_CHANGES_AT = statement<ChangeRow, [roomIds: readonly string[], positions: readonly number[]]>(
  'roomserver.state_changes.select_at',
  `SELECT c.position, t.type, k.state_key, c.event_nid, c.replaced_nid
  FROM unnest($1::text[], $2::bigint[]) AS at(room_id, position)
  JOIN roomserver.rooms r ON r.room_id = at.room_id
  JOIN roomserver.state_changes c ON c.room_nid = r.room_nid AND c.position = at.position
  JOIN roomserver.event_types t ON t.type_nid = c.type_nid
  JOIN roomserver.state_keys k ON k.state_key_nid = c.state_key_nid
  ORDER BY c.position`,
)
