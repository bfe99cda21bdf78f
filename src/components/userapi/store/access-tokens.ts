import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface TokenRow {
  readonly user_id: UserId
  readonly device_id: DeviceId
  readonly session_id: number
}

export const SELECT_TOKEN = statement<TokenRow, [tokenHash: Uint8Array]>(
  'userapi.access_tokens.select',
  'SELECT user_id, device_id, session_id FROM userapi.access_tokens WHERE token_hash = $1',
)

export const INSERT_TOKEN = statement<never, [tokenHash: Uint8Array, userId: string, deviceId: string]>(
  'userapi.access_tokens.insert',
  'INSERT INTO userapi.access_tokens (token_hash, user_id, device_id) VALUES ($1, $2, $3)',
)

export const DELETE_TOKENS_OF_DEVICES = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'userapi.access_tokens.delete',
  'DELETE FROM userapi.access_tokens WHERE user_id = $1 AND device_id = ANY ($2::text[])',
)

export const DELETE_OTHER_TOKENS = statement<never, [userId: string, keepDevice: string | null]>(
  'userapi.access_tokens.delete_others',
  'DELETE FROM userapi.access_tokens WHERE user_id = $1 AND device_id IS DISTINCT FROM $2',
)
