import type { Config } from '../../config/schema.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'

export interface EphemeralDeps {
  readonly config: { readonly presence: Config['global']['presence'] }
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
  readonly log: Log
}
