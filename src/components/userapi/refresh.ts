import type { Executor, Transaction } from '../../platform/database.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { Refreshing } from './api.js'
import { type Context, TOPICS } from './context.js'
import { canBeToken, hashToken, newToken } from './secret-tokens.js'
import { DELETE_OLD_TOKENS, EXPIRE_TOKENS_OF_REFRESH, INSERT_REFRESHED_PAIR } from './store/access-tokens.js'
import { LOCK_ACTIVE_ACCOUNT } from './store/accounts.js'
import { LOCK_DEVICE } from './store/devices.js'
import {
  CONFIRM_REFRESH_TOKEN,
  DELETE_REFRESH_TOKEN,
  DELETE_UNUSED_SUCCESSORS,
  LOCK_REFRESH_TOKEN,
  type RefreshTokenRow,
  SELECT_REFRESH_TOKEN,
} from './store/refresh-tokens.js'

/** Of an access token that can be refreshed. */
export const ACCESS_TOKEN_MS = 60 * 60_000
/** So long whoever shows a token that has ended is told to refresh. */
const REMEMBERED_MS = 24 * 60 * 60_000

/** CS "Refreshing access tokens". */
export function createRefreshing(context: Context): Refreshing {
  const { database, accounts, time } = context
  return {
    async refresh(refreshToken) {
      const hash = hashToken(refreshToken)
      const [known] = canBeToken(refreshToken) ? await database.run(SELECT_REFRESH_TOKEN, hash) : []
      if (known === undefined) throw unknownToken()
      if ((await accounts.get(known.user_id))?.account.locked === true) {
        throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { extra: { soft_logout: true } })
      }
      if (known.parent_hash !== null) await confirmPair(context, hash)
      const pair = { accessToken: newToken(), refreshToken: newToken(), expiresInMs: ACCESS_TOKEN_MS }
      await database.transaction(async (tx) => {
        // In the order in which a logout takes them, so that one waits for the other.
        const [active, device] = await Promise.all([
          tx.run(LOCK_ACTIVE_ACCOUNT, known.user_id),
          tx.run(LOCK_DEVICE, known.user_id, known.device_id),
        ])
        const [row] = await tx.run(LOCK_REFRESH_TOKEN, hash)
        if (active.length === 0 || device.length === 0 || row === undefined) throw unknownToken()
        // The answer before this one has been lost on its way, or its receiver asks again before it uses it.
        announceTokens(context, tx, await tx.run(DELETE_UNUSED_SUCCESSORS, hash))
        await tx.run(
          INSERT_REFRESHED_PAIR,
          hashToken(pair.accessToken),
          hashToken(pair.refreshToken),
          row.user_id,
          row.device_id,
          time.now() + ACCESS_TOKEN_MS,
          row.session_id,
          hash,
        )
      })
      return pair
    },
  }
}

/**
 * A refreshed pair has been used: the refresh token that it was given for ends, and the access token that belongs to that
 * one expires. Does nothing when that has happened already.
 */
export async function confirmPair(context: Context, refreshHash: Uint8Array): Promise<void> {
  const { database, time } = context
  await database.transaction(async (tx) => {
    const row = await lockWithParent(tx, refreshHash)
    if (row === undefined || row.parent_hash === null) return
    const now = time.now()
    const [, , expired] = await Promise.all([
      tx.run(CONFIRM_REFRESH_TOKEN, refreshHash),
      tx.run(DELETE_REFRESH_TOKEN, row.parent_hash),
      tx.run(EXPIRE_TOKENS_OF_REFRESH, row.parent_hash, now),
      tx.run(DELETE_OLD_TOKENS, row.session_id, row.user_id, now - REMEMBERED_MS),
    ])
    announceTokens(context, tx, expired)
  })
}

/** The parent first: a refresh with it locks it and then deletes its successors. */
async function lockWithParent(tx: Executor, refreshHash: Uint8Array): Promise<RefreshTokenRow | undefined> {
  const [row] = await tx.run(SELECT_REFRESH_TOKEN, refreshHash)
  if (row === undefined || row.parent_hash === null) return row
  await tx.run(LOCK_REFRESH_TOKEN, row.parent_hash)
  return (await tx.run(LOCK_REFRESH_TOKEN, refreshHash))[0]
}

function announceTokens(context: Context, tx: Transaction, rows: readonly { readonly token_hash: Buffer }[]): void {
  const keys = rows.map(({ token_hash }) => token_hash.toString('base64'))
  if (keys.length > 0) tx.afterCommit(() => context.bus.publish(TOPICS.tokens, keys))
}

function unknownToken(): MatrixError {
  return new MatrixError('M_UNKNOWN_TOKEN', 'The refresh token is unknown or has been used')
}
