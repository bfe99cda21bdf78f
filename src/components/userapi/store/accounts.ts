import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface AccountRow {
  readonly user_id: UserId
  readonly account_type: number
  readonly created_ts: number
  readonly deactivated: boolean
  readonly locked: boolean
  readonly suspended: boolean
  readonly has_password: boolean
  readonly appservice_id: string | null
  /** Its logins, side by side. */
  readonly session_ids: readonly number[]
  readonly device_ids: readonly DeviceId[]
}

/** Accounts with the sessions that are open. */
export const SELECT_ACCOUNTS = statement<AccountRow, [userIds: readonly string[]]>(
  'userapi.accounts.select',
  `SELECT a.user_id, a.account_type, a.created_ts, a.deactivated, a.locked, a.suspended, a.appservice_id,
          a.password_hash IS NOT NULL AS has_password, t.session_ids, t.device_ids
     FROM userapi.accounts a
     CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(session_id), '{}') AS session_ids, coalesce(array_agg(device_id), '{}') AS device_ids
         FROM (SELECT DISTINCT session_id, device_id FROM userapi.access_tokens WHERE user_id = a.user_id) s
     ) t
    WHERE a.user_id = ANY ($1::text[])`,
)

/** Makes the account and its profile; no row when the name is taken. */
export const INSERT_ACCOUNT = statement<
  { user_id: UserId },
  [
    userId: string,
    type: number,
    createdTs: number,
    passwordHash: string | null,
    appserviceId: string | null,
    profile: string,
  ]
>(
  'userapi.accounts.insert',
  `WITH made AS (
     INSERT INTO userapi.accounts (user_id, account_type, created_ts, password_hash, appservice_id)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO NOTHING RETURNING user_id
   )
   INSERT INTO userapi.profiles (user_id, fields) SELECT user_id, $6::text FROM made
   ON CONFLICT (user_id) DO UPDATE SET fields = EXCLUDED.fields RETURNING user_id`,
)

export const SELECT_PASSWORD_HASH = statement<{ password_hash: string | null }, [userId: string]>(
  'userapi.accounts.select_password',
  'SELECT password_hash FROM userapi.accounts WHERE user_id = $1 AND NOT deactivated',
)

export const UPDATE_PASSWORD_HASH = statement<{ user_id: UserId }, [userId: string, passwordHash: string]>(
  'userapi.accounts.update_password',
  'UPDATE userapi.accounts SET password_hash = $2 WHERE user_id = $1 AND NOT deactivated RETURNING user_id',
)

export const UPDATE_ACCOUNT_TYPE = statement<{ user_id: UserId }, [userId: string, type: number]>(
  'userapi.accounts.update_type',
  'UPDATE userapi.accounts SET account_type = $2 WHERE user_id = $1 RETURNING user_id',
)

export const UPDATE_LOCKED = statement<{ user_id: UserId }, [userId: string, locked: boolean]>(
  'userapi.accounts.update_locked',
  'UPDATE userapi.accounts SET locked = $2 WHERE user_id = $1 RETURNING user_id',
)

export const UPDATE_SUSPENDED = statement<{ user_id: UserId }, [userId: string, suspended: boolean]>(
  'userapi.accounts.update_suspended',
  'UPDATE userapi.accounts SET suspended = $2 WHERE user_id = $1 RETURNING user_id',
)

export const DEACTIVATE_ACCOUNT = statement<never, [userId: string]>(
  'userapi.accounts.deactivate',
  'UPDATE userapi.accounts SET deactivated = true, leaving = true, password_hash = NULL WHERE user_id = $1',
)

/** Holds off a deactivation until the transaction ends. */
export const LOCK_ACTIVE_ACCOUNT = statement<{ user_id: UserId }, [userId: string]>(
  'userapi.accounts.lock_active',
  'SELECT user_id FROM userapi.accounts WHERE user_id = $1 AND NOT deactivated FOR SHARE',
)

/** One writer of this account at a time, whichever rows it will write. */
export const LOCK_ACCOUNT_FOR_WRITING = statement<{ user_id: UserId }, [userId: string]>(
  'userapi.accounts.lock_for_writing',
  'SELECT user_id FROM userapi.accounts WHERE user_id = $1 FOR NO KEY UPDATE',
)

export const SELECT_ACTIVE_ACCOUNTS = statement<{ user_id: UserId }, [userIds: readonly string[]]>(
  'userapi.accounts.select_active',
  'SELECT user_id FROM userapi.accounts WHERE user_id = ANY ($1::text[]) AND NOT deactivated',
)

export const SELECT_LEAVING_ACCOUNTS = statement<{ user_id: UserId }>(
  'userapi.accounts.select_leaving',
  'SELECT user_id FROM userapi.accounts WHERE leaving ORDER BY user_id',
)

export const UPDATE_LEFT_ACCOUNT = statement<never, [userId: string]>(
  'userapi.accounts.update_left',
  'UPDATE userapi.accounts SET leaving = false WHERE user_id = $1',
)
