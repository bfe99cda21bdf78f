import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export const SELECT_PROFILES = statement<{ user_id: UserId; fields: string }, [userIds: readonly string[]]>(
  'userapi.profiles.select',
  'SELECT user_id, fields FROM userapi.profiles WHERE user_id = ANY ($1::text[])',
)

/** Only if nobody has changed it meanwhile; else no row. */
export const REPLACE_PROFILE = statement<{ user_id: UserId }, [userId: string, before: string, after: string]>(
  'userapi.profiles.replace',
  'UPDATE userapi.profiles SET fields = $3 WHERE user_id = $1 AND fields = $2 RETURNING user_id',
)

export const CLEAR_PROFILE = statement<never, [userId: string]>(
  'userapi.profiles.clear',
  "UPDATE userapi.profiles SET fields = '{}' WHERE user_id = $1",
)
