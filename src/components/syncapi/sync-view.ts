import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import type { Ephemeral } from '../ephemeral/index.js'
import type { KeyServer } from '../keyserver/index.js'
import type { PushServer } from '../pushserver/index.js'
import type { RoomServer } from '../roomserver/index.js'
import type { Requester, UserApi } from '../userapi/index.js'
import type { SyncRequest } from './api.js'
import type { RecentChanges } from './recent-changes.js'
import type { LazyMembers } from './rooms/lazy-members.js'
import type { SyncFilter } from './sync-filter.js'

export interface SyncApiDeps {
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly caches: CacheBudget
  readonly database: Database
  readonly bus: Bus
  readonly time: Clock
  readonly log: Log
  readonly userapi: UserApi
  readonly roomserver: RoomServer
  readonly keyserver: KeyServer
  readonly ephemeral: Ephemeral
  readonly pushserver: PushServer
}

/** What the streams read from. */
export interface SyncSources extends SyncApiDeps {
  /** Where the clock stood at the start: what happened before it nobody remembers. */
  readonly startedAt: number
  readonly deviceListChanges: RecentChanges
  readonly presenceChanges: RecentChanges
  readonly lazyMembers: LazyMembers
}

/** One answer: for whom, from where, and up to which place of the clock everything in it is told. */
export interface SyncView {
  readonly requester: Requester
  /** Undefined: an initial sync. While a request waits it moves on over what had nothing to tell. */
  readonly since: number | undefined
  /** The token that the client sent: it has got all answers up to that one. */
  readonly confirmed: number | undefined
  readonly upTo: number
  readonly filter: SyncFilter
  readonly fullState: boolean
  readonly stateAfter: SyncRequest['useStateAfter']
  readonly ignored: ReadonlySet<UserId>
  /** Everybody who shares a room with the user, read when it is first needed. It can be long: ask for few by name instead. */
  readonly sharing: () => Promise<ReadonlySet<UserId>>
}
