import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

/** With what has expired out of the way. */
export const INSERT_PURPOSE_TOKEN = statement<
  never,
  [tokenHash: Uint8Array, purpose: string, userId: string, expiresTs: number, now: number]
>(
  'userapi.purpose_tokens.insert',
  `WITH gone AS (DELETE FROM userapi.purpose_tokens WHERE expires_ts <= $5)
   INSERT INTO userapi.purpose_tokens (token_hash, purpose, user_id, expires_ts) VALUES ($1, $2, $3, $4)`,
)

export const SELECT_PURPOSE_TOKEN = statement<
  { user_id: UserId },
  [tokenHash: Uint8Array, purpose: string, now: number]
>(
  'userapi.purpose_tokens.select',
  `SELECT p.user_id FROM userapi.purpose_tokens p JOIN userapi.accounts a ON a.user_id = p.user_id
    WHERE p.token_hash = $1 AND p.purpose = $2 AND p.expires_ts > $3 AND NOT a.deactivated`,
)

/** Of two who show it at the same time one gets the row. */
export const TAKE_PURPOSE_TOKEN = statement<
  { user_id: UserId; expires_ts: number },
  [tokenHash: Uint8Array, purpose: string]
>(
  'userapi.purpose_tokens.take',
  'DELETE FROM userapi.purpose_tokens WHERE token_hash = $1 AND purpose = $2 RETURNING user_id, expires_ts',
)

export const DELETE_PURPOSE_TOKENS_OF = statement<never, [userId: string]>(
  'userapi.purpose_tokens.delete',
  'DELETE FROM userapi.purpose_tokens WHERE user_id = $1',
)
