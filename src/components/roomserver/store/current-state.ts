import { statement } from '../../../platform/statement.js'

export interface CurrentStateRow {
  readonly room_nid: number
  readonly type_nid: number
  readonly type: string
  readonly state_key_nid: number
  readonly state_key: string
  readonly event_nid: number
}

/** Whole current states, for heads. */
export const SELECT_CURRENT_STATE = statement<CurrentStateRow, [roomNids: readonly number[]]>(
  'roomserver.current_state.select_whole',
  `SELECT c.room_nid, c.type_nid, t.type, c.state_key_nid, k.state_key, c.event_nid
  FROM roomserver.current_state c
  JOIN roomserver.event_types t ON t.type_nid = c.type_nid
  JOIN roomserver.state_keys k ON k.state_key_nid = c.state_key_nid
  WHERE c.room_nid = ANY($1::bigint[])`,
)

/** Keys that state resolution took away. The last statement of the batch notes the change with its position. */
export const DELETE_CURRENT_STATE = statement<
  never,
  [roomNids: readonly number[], typeNids: readonly number[], stateKeyNids: readonly number[]]
>(
  'roomserver.current_state.delete',
  `DELETE FROM roomserver.current_state c
  USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS gone(room_nid, type_nid, state_key_nid)
  WHERE c.room_nid = gone.room_nid AND c.type_nid = gone.type_nid AND c.state_key_nid = gone.state_key_nid`,
)
