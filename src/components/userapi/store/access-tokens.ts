import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface TokenRow {
  readonly user_id: UserId
  readonly device_id: DeviceId
  readonly session_id: number
  readonly expires_ts: number | null
  /** The refresh token handed out with it, while nobody knows that the pair has arrived. */
  readonly unconfirmed: Uint8Array | null
}

export const SELECT_TOKEN = statement<TokenRow, [tokenHash: Uint8Array]>(
  'userapi.access_tokens.select',
  `SELECT t.user_id, t.device_id, t.session_id, t.expires_ts, r.token_hash AS unconfirmed
     FROM userapi.access_tokens t
     LEFT JOIN userapi.refresh_tokens r ON r.token_hash = t.refresh_hash AND r.parent_hash IS NOT NULL
    WHERE t.token_hash = $1`,
)

export const INSERT_TOKEN = statement<never, [tokenHash: Uint8Array, userId: string, deviceId: string]>(
  'userapi.access_tokens.insert',
  'INSERT INTO userapi.access_tokens (token_hash, user_id, device_id) VALUES ($1, $2, $3)',
)

/** The first pair of a session. */
export const INSERT_TOKEN_PAIR = statement<
  never,
  [tokenHash: Uint8Array, refreshHash: Uint8Array, userId: string, deviceId: string, expiresTs: number]
>(
  'userapi.access_tokens.insert_pair',
  `WITH made AS (
     INSERT INTO userapi.access_tokens (token_hash, refresh_hash, user_id, device_id, expires_ts)
     VALUES ($1, $2, $3, $4, $5) RETURNING session_id
   )
   INSERT INTO userapi.refresh_tokens (token_hash, user_id, device_id, session_id) SELECT $2, $3, $4, session_id FROM made`,
)

/** A further pair of a session, beside the one that it is to replace. */
export const INSERT_REFRESHED_PAIR = statement<
  never,
  [
    tokenHash: Uint8Array,
    refreshHash: Uint8Array,
    userId: string,
    deviceId: string,
    expiresTs: number,
    sessionId: number,
    parentHash: Uint8Array,
  ]
>(
  'userapi.access_tokens.insert_refreshed_pair',
  `WITH made AS (
     INSERT INTO userapi.refresh_tokens (token_hash, user_id, device_id, session_id, parent_hash)
     VALUES ($2, $3, $4, $6, $7)
   )
   INSERT INTO userapi.access_tokens (token_hash, refresh_hash, user_id, device_id, expires_ts, session_id)
   VALUES ($1, $2, $3, $4, $5, $6)`,
)

/** An access token whose successor is in use: whoever shows it is told to refresh, not to forget everything. */
export const EXPIRE_TOKENS_OF_REFRESH = statement<{ token_hash: Buffer }, [refreshHash: Uint8Array, now: number]>(
  'userapi.access_tokens.expire',
  `UPDATE userapi.access_tokens SET expires_ts = least(expires_ts, $2) WHERE refresh_hash = $1 RETURNING token_hash`,
)

export const DELETE_OLD_TOKENS = statement<never, [sessionId: number, userId: string, expiredBefore: number]>(
  'userapi.access_tokens.delete_old',
  'DELETE FROM userapi.access_tokens WHERE user_id = $2 AND session_id = $1 AND expires_ts < $3',
)

export const DELETE_TOKENS_OF_DEVICES = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'userapi.access_tokens.delete',
  `WITH gone AS (DELETE FROM userapi.refresh_tokens WHERE user_id = $1 AND device_id = ANY ($2::text[]))
   DELETE FROM userapi.access_tokens WHERE user_id = $1 AND device_id = ANY ($2::text[])`,
)

export const DELETE_OTHER_TOKENS = statement<never, [userId: string, keepDevice: string | null]>(
  'userapi.access_tokens.delete_others',
  `WITH gone AS (DELETE FROM userapi.refresh_tokens WHERE user_id = $1 AND device_id IS DISTINCT FROM $2)
   DELETE FROM userapi.access_tokens WHERE user_id = $1 AND device_id IS DISTINCT FROM $2`,
)
