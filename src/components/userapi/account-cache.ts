import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import { LoadingCache } from '../../platform/loading-cache.js'
import type { UserId } from '../../protocol/ids.js'
import type { Account, AccountType, Requester } from './api.js'
import { type AccountRow, SELECT_ACCOUNTS } from './store/accounts.js'

/** An account as it is kept in memory: with what each of its open sessions stands for. */
export interface CachedAccount {
  readonly account: Account
  readonly requesters: ReadonlyMap<number, Requester>
}

export type AccountCache = LoadingCache<UserId, CachedAccount>

const TYPES: readonly AccountType[] = ['user', 'guest', 'admin', 'appservice']

/** Dendrite's number of an account type. */
export function accountTypeNumber(type: AccountType): number {
  return TYPES.indexOf(type) + 1
}

function accountType(number: number): AccountType {
  const type = TYPES[number - 1]
  if (type === undefined) throw new RangeError(`account type ${number}`)
  return type
}

export function createAccountCache(database: Database, caches: CacheBudget): AccountCache {
  const cache = caches.cache<UserId, CachedAccount>('userapi.accounts', (value) => 400 + value.requesters.size * 250)
  return new LoadingCache(cache, async (userIds) => {
    const rows = await database.run(SELECT_ACCOUNTS, userIds)
    return new Map(rows.map((row) => [row.user_id, cachedAccount(row)]))
  })
}

function cachedAccount(row: AccountRow): CachedAccount {
  const account: Account = {
    userId: row.user_id,
    type: accountType(row.account_type),
    createdTs: row.created_ts,
    deactivated: row.deactivated,
    locked: row.locked,
    suspended: row.suspended,
    hasPassword: row.has_password,
    appserviceId: row.appservice_id ?? undefined,
  }
  const requesters = new Map<number, Requester>()
  for (const [index, sessionId] of row.session_ids.entries()) {
    const deviceId = row.device_ids[index]
    if (deviceId === undefined || account.deactivated) continue
    requesters.set(sessionId, {
      userId: account.userId,
      deviceId,
      accountType: account.type,
      suspended: account.suspended,
      locked: account.locked,
      sessionId,
    })
  }
  return { account, requesters }
}
