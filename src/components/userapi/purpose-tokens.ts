import type { UserId } from '../../protocol/ids.js'
import type { PurposeToken, PurposeTokens } from './api.js'
import type { Context } from './context.js'
import { canBeToken, hashToken, newToken } from './secret-tokens.js'
import { INSERT_PURPOSE_TOKEN, SELECT_PURPOSE_TOKEN, TAKE_PURPOSE_TOKEN } from './store/purpose-tokens.js'

/** What the specification recommends. */
const LOGIN_TOKEN_MS = 120_000

export function createPurposeTokens({ database, config, time }: Context): PurposeTokens {
  const make = async (purpose: 'login' | 'openid', userId: UserId, expiresInMs: number): Promise<PurposeToken> => {
    const token = newToken()
    const now = time.now()
    await database.run(INSERT_PURPOSE_TOKEN, hashToken(token), purpose, userId, now + expiresInMs, now)
    return { token, expiresInMs }
  }
  return {
    newLoginToken: (userId) => make('login', userId, LOGIN_TOKEN_MS),

    async useLoginToken(token) {
      if (!canBeToken(token)) return undefined
      const [row] = await database.run(TAKE_PURPOSE_TOKEN, hashToken(token), 'login')
      return row === undefined || row.expires_ts <= time.now() ? undefined : row.user_id
    },

    newOpenIdToken: (userId) => make('openid', userId, config.openid_token_lifetime_ms),

    async openIdUser(token) {
      if (!canBeToken(token)) return undefined
      return (await database.run(SELECT_PURPOSE_TOKEN, hashToken(token), 'openid', time.now()))[0]?.user_id
    },
  }
}
