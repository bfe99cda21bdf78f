import { LoadingCache } from '../../platform/loading-cache.js'
import type { Context } from './context.js'
import { TOPICS } from './context.js'
import { confirmPair } from './refresh.js'
import { hashToken } from './secret-tokens.js'
import { SELECT_TOKEN, type TokenRow } from './store/access-tokens.js'

export interface TokenCache {
  /** Undefined: no such token. Its session may have ended nevertheless. */
  get(accessToken: string): Promise<TokenRow | undefined>
}

/**
 * What access tokens stand for. A token's owner never changes and its session ends with the account's list of sessions;
 * only tokens that are superseded by a refresh are invalidated one by one.
 */
export function createTokenCache(context: Context): TokenCache {
  const { database, caches, bus } = context
  const tokens = new LoadingCache<string, TokenRow>(
    caches.cache('userapi.tokens', () => 320),
    async (keys) => {
      const found = new Map<string, TokenRow>()
      for (const key of keys) {
        const row = await load(key)
        if (row !== undefined) found.set(key, row)
      }
      return found
    },
  )

  /** The first use of a refreshed token: its pair has arrived, so the one before it ends. */
  const load = async (key: string): Promise<TokenRow | undefined> => {
    const hash = Buffer.from(key, 'base64')
    const [row] = await database.run(SELECT_TOKEN, hash)
    if (row === undefined || row.unconfirmed === null) return row
    await confirmPair(context, row.unconfirmed)
    return (await database.run(SELECT_TOKEN, hash))[0]
  }

  bus.subscribe(TOPICS.tokens, (keys) => tokens.invalidate(keys))
  return { get: (accessToken) => tokens.get(hashToken(accessToken).toString('base64')) }
}
