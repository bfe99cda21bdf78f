import { statement } from '../../../platform/statement.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'

export interface AccountDataRow {
  /** Empty: global. */
  readonly room_id: RoomId | ''
  readonly type: string
  readonly content: string
  readonly position: number
}

export const SELECT_ACCOUNT_DATA = statement<AccountDataRow, [userId: string, roomId: string, type: string]>(
  'userapi.account_data.select',
  `SELECT room_id, type, content, position FROM userapi.account_data
    WHERE user_id = $1 AND room_id = $2 AND type = $3`,
)

export const SELECT_ACCOUNT_DATA_BETWEEN = statement<AccountDataRow, [userId: string, after: number, upTo: number]>(
  'userapi.account_data.select_between',
  `SELECT room_id, type, content, position FROM userapi.account_data
    WHERE user_id = $1 AND position > $2 AND position <= $3 ORDER BY position`,
)

export const SELECT_GLOBAL_ACCOUNT_DATA_OF = statement<
  { user_id: UserId; content: string },
  [userIds: readonly string[], type: string]
>(
  'userapi.account_data.select_global',
  `SELECT user_id, content FROM userapi.account_data
    WHERE user_id = ANY ($1::text[]) AND room_id = '' AND type = $2`,
)

export const SELECT_ACCOUNT_DATA_SIZE = statement<{ size: number }, [userId: string]>(
  'userapi.account_data.select_size',
  'SELECT coalesce(sum(size), 0)::bigint AS size FROM userapi.account_data WHERE user_id = $1',
)

export const UPSERT_ACCOUNT_DATA = statement<
  never,
  [userId: string, roomId: string, type: string, content: string, size: number, position: number]
>(
  'userapi.account_data.upsert',
  `INSERT INTO userapi.account_data (user_id, room_id, type, content, size, position) VALUES ($1, $2, $3, $4, $5, $6)
   ON CONFLICT (user_id, room_id, type)
   DO UPDATE SET content = EXCLUDED.content, size = EXCLUDED.size, position = EXCLUDED.position`,
)

export const DELETE_ACCOUNT_DATA = statement<never, [userId: string]>(
  'userapi.account_data.delete',
  'DELETE FROM userapi.account_data WHERE user_id = $1',
)
