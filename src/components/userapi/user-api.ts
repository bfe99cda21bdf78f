import { serverNameOf, type UserId } from '../../protocol/ids.js'
import { createAccountCache } from './account-cache.js'
import { createAccountData } from './account-data.js'
import { createAccounts } from './accounts.js'
import type { UserApi } from './api.js'
import { type Context, TOPICS, type UserApiDeps } from './context.js'
import { createFilters } from './filters.js'
import { LastSeen } from './last-seen.js'
import { createLogins } from './logins.js'
import { createProfiles } from './profiles.js'
import { createPurposeTokens } from './purpose-tokens.js'
import { createRefreshing } from './refresh.js'
import { createRegistrationTokens } from './registration-tokens.js'

export type { UserApiDeps } from './context.js'

export function createUserApi(deps: UserApiDeps): UserApi {
  const context: Context = { ...deps, accounts: createAccountCache(deps.database, deps.caches) }
  const lastSeen = new LastSeen(deps.database, deps.time)
  deps.bus.subscribe(TOPICS.accounts, (userIds) => context.accounts.invalidate(userIds as readonly UserId[]))
  return {
    serverName: deps.serverName,
    isLocal: (userId) => serverNameOf(userId) === deps.serverName,
    ...createAccounts(context),
    ...createLogins(context, lastSeen),
    ...createRefreshing(context),
    ...createPurposeTokens(context),
    ...createRegistrationTokens(context),
    ...createProfiles(context),
    ...createAccountData(context),
    ...createFilters(context),
    async start() {
      lastSeen.start(deps.loops)
    },
    stop: () => lastSeen.stop(),
  }
}
