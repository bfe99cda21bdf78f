import type { Config } from '../../config/schema.js'
import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database, Transaction } from '../../platform/database.js'
import type { Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { ServerName, UserId } from '../../protocol/ids.js'
import type { AccountCache } from './account-cache.js'
import { USER_STREAMS } from './api.js'

export interface UserApiDeps {
  readonly serverName: ServerName
  readonly config: Pick<Config['user_api'], 'bcrypt_cost' | 'openid_token_lifetime_ms'>
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
}

/** What the parts of the component share. */
export interface Context extends UserApiDeps {
  readonly accounts: AccountCache
}

/** Topics of the bus; their keys are user ids unless it says otherwise. */
export const TOPICS = {
  /** Account flags or open sessions. */
  accounts: 'userapi.accounts',
  /** Single access tokens; their keys are hashes in base64. */
  tokens: 'userapi.tokens',
  profiles: 'userapi.profiles',
  ignored: 'userapi.ignored_users',
} as const

/** Takes a position for a change of the user's devices in this transaction and announces it once it has committed. */
export async function announceDevices(context: Context, tx: Transaction, userId: UserId): Promise<void> {
  const position = await context.streamClock.take(tx, 1)
  tx.afterCommit(() => {
    context.bus.publish(TOPICS.accounts, [userId])
    context.feed.publish({ stream: USER_STREAMS.devices, position, keys: [userId] })
  })
}
