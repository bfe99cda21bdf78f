import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import { LoadingCache } from '../../platform/loading-cache.js'
import type { UserId } from '../../protocol/ids.js'
import { parseStoredJson } from '../../protocol/json.js'
import { type CompiledRules, compileRules, NO_USER_RULES, type UserRules } from '../../protocol/push-rules/index.js'
import { SELECT_PUSH_RULES } from './store/push-rules.js'

/** Topic of the bus; its keys are user ids. */
export const RULES_CHANGED = 'pushserver.push_rules'

/** What deciding for one user takes. */
export interface RecipientRules {
  readonly compiled: CompiledRules
  /** A rule looks for their display name: only then it has to be found out. */
  readonly wantsDisplayName: boolean
}

const DEFAULTS: RecipientRules = { compiled: compileRules(NO_USER_RULES), wantsDisplayName: false }

/** The rules of many users, compiled. Those who changed nothing share one object. */
export function recipientCache(
  database: Database,
  caches: CacheBudget,
  bus: Bus,
): LoadingCache<UserId, RecipientRules> {
  const cache = new LoadingCache<UserId, RecipientRules>(
    caches.cache('pushserver.rules', (rules) => (rules === DEFAULTS ? 16 : 4_000)),
    async (userIds) => {
      const rows = await database.run(SELECT_PUSH_RULES, userIds)
      const found = new Map<UserId, RecipientRules>(userIds.map((userId) => [userId, DEFAULTS]))
      for (const { user_id, rules } of rows) found.set(user_id, recipientRules(rules))
      return found
    },
  )
  bus.subscribe(RULES_CHANGED, (userIds) => cache.invalidate(userIds as readonly UserId[]))
  return cache
}

function recipientRules(stored: string): RecipientRules {
  return {
    compiled: compileRules(parseUserRules(stored)),
    wantsDisplayName: stored.includes('"contains_display_name"'),
  }
}

export function parseUserRules(stored: string): UserRules {
  return parseStoredJson(stored) as unknown as UserRules
}
