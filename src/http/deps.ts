import type { Ephemeral } from '../components/ephemeral/index.js'
import type { FederationClient } from '../components/federationclient/index.js'
import type { KeyServer } from '../components/keyserver/index.js'
import type { MediaApi } from '../components/mediaapi/index.js'
import type { PushServer } from '../components/pushserver/index.js'
import type { RoomServer } from '../components/roomserver/index.js'
import type { Search } from '../components/search/index.js'
import type { SyncApi } from '../components/syncapi/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { Config } from '../config/schema.js'
import type { ChangeFeed } from '../platform/change-feed.js'
import type { Log } from '../platform/log.js'
import type { StreamClock } from '../platform/stream-clock.js'
import type { Clock } from '../platform/time.js'
import type { UserInteractiveAuth } from './auth/user-interactive.js'
import type { RateLimits } from './rate-limit.js'

/** Everything a route module may ask for; each asks narrowly: `(deps: Pick<RouteDeps, 'roomserver'>) => Route[]`. */
export interface RouteDeps {
  readonly config: Config
  readonly federationclient: FederationClient
  readonly userapi: UserApi
  readonly mediaapi: MediaApi
  readonly roomserver: RoomServer
  readonly keyserver: KeyServer
  readonly ephemeral: Ephemeral
  readonly pushserver: PushServer
  readonly search: Search
  readonly syncapi: SyncApi
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly time: Clock
  readonly log: Log
  readonly userInteractive: UserInteractiveAuth
  /** For what a route's own bucket cannot say. */
  readonly limits: RateLimits
}
