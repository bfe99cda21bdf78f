import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface RefreshTokenRow {
  readonly user_id: UserId
  readonly device_id: DeviceId
  readonly session_id: number
  readonly parent_hash: Uint8Array | null
}

export const SELECT_REFRESH_TOKEN = statement<RefreshTokenRow, [tokenHash: Uint8Array]>(
  'userapi.refresh_tokens.select',
  'SELECT user_id, device_id, session_id, parent_hash FROM userapi.refresh_tokens WHERE token_hash = $1',
)

export const LOCK_REFRESH_TOKEN = statement<RefreshTokenRow, [tokenHash: Uint8Array]>(
  'userapi.refresh_tokens.lock',
  'SELECT user_id, device_id, session_id, parent_hash FROM userapi.refresh_tokens WHERE token_hash = $1 FOR UPDATE',
)

/** Pairs that were given for this one and never used, with their access tokens. */
export const DELETE_UNUSED_SUCCESSORS = statement<{ token_hash: Buffer }, [parentHash: Uint8Array]>(
  'userapi.refresh_tokens.delete_successors',
  `WITH gone AS (DELETE FROM userapi.refresh_tokens WHERE parent_hash = $1 RETURNING token_hash)
   DELETE FROM userapi.access_tokens WHERE refresh_hash IN (SELECT token_hash FROM gone) RETURNING token_hash`,
)

export const CONFIRM_REFRESH_TOKEN = statement<never, [tokenHash: Uint8Array]>(
  'userapi.refresh_tokens.confirm',
  'UPDATE userapi.refresh_tokens SET parent_hash = NULL WHERE token_hash = $1',
)

export const DELETE_REFRESH_TOKEN = statement<never, [tokenHash: Uint8Array]>(
  'userapi.refresh_tokens.delete',
  'DELETE FROM userapi.refresh_tokens WHERE token_hash = $1',
)
