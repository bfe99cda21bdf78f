import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { StateTuple } from '../../protocol/event/pdu.js'
import type { RoomId, ServerName, UserId } from '../../protocol/ids.js'
import type { RoomVersion } from '../../protocol/room-version.js'
import type { OutputEntry } from './api.js'
import type { EventCache } from './event-cache.js'
import type { Nids } from './nids.js'

/** A room as its row says, and what never changes of it. */
export interface RoomIdentity {
  readonly nid: number
  readonly roomId: RoomId
  readonly version: RoomVersion
}

/** Rooms and the integers that stand for them. */
export interface Rooms {
  /** The room when it is in memory; no statement. */
  peek(roomId: RoomId): RoomIdentity | undefined
  /** Those that are known here; at most one statement. */
  find(roomIds: Iterable<RoomId>): Promise<Map<RoomId, RoomIdentity>>
  byNids(nids: Iterable<number>): Promise<Map<number, RoomIdentity>>
}

/** The current state of a room in memory, as far as it has been committed. Readers never see what is still being written. */
export interface CommittedHead extends RoomIdentity {
  /** False: this server is not in the room, and the state is what it last knew. */
  readonly participating: boolean
  readonly stateSize: number
  /** Event nid of one key of the state. */
  stateNid(tuple: StateTuple): number | undefined
  /** All of it, in no order. Iterate at once: it changes with the next commit. */
  stateNids(): Iterable<[tuple: StateTuple, eventNid: number]>
  readonly joinedMembers: number
  readonly invitedMembers: number
  readonly localJoinedMembers: number
}

export interface CommittedHeads {
  /** The head when it is in memory; no statement. */
  peek(roomId: RoomId): CommittedHead | undefined
  /** Heads of those that are known here; a constant number of statements. For single busy rooms: it loads whole states. */
  load(roomIds: Iterable<RoomId>): Promise<Map<RoomId, CommittedHead>>
}

/** What the halves of this component share. */
export interface RoomInternals {
  readonly database: Database
  readonly clock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
  readonly cacheBudget: CacheBudget
  readonly time: Clock
  readonly log: Log
  readonly serverName: ServerName
  readonly nids: Nids
  readonly rooms: Rooms
  readonly events: EventCache
  readonly heads: CommittedHeads
  /**
   * Called with each batch right after its commit, before anybody is told of it and before its positions are visible:
   * for caches of what a batch changes. Synchronous; must not throw.
   */
  onCommitted(listener: (entries: readonly OutputEntry[]) => void): void
  /** Called when a user has forgotten a room, after commit. */
  onForgotten(listener: (roomId: RoomId, userId: UserId) => void): void
}
