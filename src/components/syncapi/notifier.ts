import { LRUCache } from 'lru-cache'
import type { Change, ChangeFeed } from '../../platform/change-feed.js'
import type { Log } from '../../platform/log.js'
import type { Clock } from '../../platform/time.js'
import type { RoomId, UserId } from '../../protocol/ids.js'
import { EPHEMERAL_STREAMS } from '../ephemeral/index.js'
import { KEY_STREAMS } from '../keyserver/index.js'
import { PUSH_STREAMS } from '../pushserver/index.js'
import { ROOM_STREAMS, type RoomMembership, type RoomServer } from '../roomserver/index.js'
import { USER_STREAMS } from '../userapi/index.js'
import { PEEKS, type PeekedRooms } from './peeks.js'

type Memberships = ReadonlyMap<RoomId, RoomMembership>

/** Rooms of users who are not asking at the moment but will again, so that they need not be listed anew each time. */
const MAX_IDLE_ROOMS = 100_000

/** Streams by what their keys name. */
const BY_ROOM = new Set<string>([ROOM_STREAMS.rooms, EPHEMERAL_STREAMS.typing, EPHEMERAL_STREAMS.receipts])
const BY_USER = new Set<string>([
  ROOM_STREAMS.memberships,
  USER_STREAMS.accountData,
  EPHEMERAL_STREAMS.privateReceipts,
  PUSH_STREAMS.pushRules,
  PEEKS,
])
/** User id, NUL, and a device or a room of theirs. */
const BY_USER_AND_MORE = new Set<string>([KEY_STREAMS.toDevice, KEY_STREAMS.keyCounts, PUSH_STREAMS.unreadCounts])
/** Concerns everybody who shares a room with the user. */
const BY_SHARING_USER = new Set<string>([KEY_STREAMS.deviceLists, EPHEMERAL_STREAMS.presence])

/** The requests of one user. */
class Listener {
  readonly userId: UserId
  memberships: Memberships = new Map()
  /** Rooms that devices have looked into since it is listed. */
  readonly peeked = new Set<RoomId>()
  /** Rooms under which it is listed. */
  rooms: readonly RoomId[] = []
  /** Requests under way. */
  requests = 0
  /** Where the newest change was that concerned the user. */
  lastChange = 0
  readonly waiting = new Set<() => void>()

  constructor(userId: UserId) {
    this.userId = userId
  }
}

/**
 * Wakes the requests that a change concerns. A request registers (`attend`) before it reads the clock, so no change falls
 * between what it has read and what it waits for. No database client is held while waiting.
 */
export class Notifier {
  readonly #feed: ChangeFeed
  readonly #roomserver: Pick<RoomServer, 'memberships'>
  readonly #time: Clock
  readonly #log: Log
  readonly #listeners = new Map<UserId, Listener>()
  readonly #byRoom = new Map<RoomId, Set<Listener>>()
  readonly #idle: LRUCache<UserId, Listener>
  #unsubscribe: (() => void) | undefined
  #stopped = false

  constructor(deps: { feed: ChangeFeed; roomserver: Pick<RoomServer, 'memberships'>; time: Clock; log: Log }) {
    this.#feed = deps.feed
    this.#roomserver = deps.roomserver
    this.#time = deps.time
    this.#log = deps.log
    this.#idle = new LRUCache<UserId, Listener>({
      maxSize: MAX_IDLE_ROOMS,
      sizeCalculation: (listener) => listener.rooms.length + 1,
      dispose: (listener, _userId, reason) => {
        if (reason === 'evict') this.#forget(listener)
      },
    })
  }

  start(): void {
    this.#unsubscribe = this.#feed.subscribe((changes) => this.#tell(changes))
  }

  /** Everybody who waits is answered with what there is. */
  stop(): void {
    this.#stopped = true
    this.#unsubscribe?.()
    for (const listener of this.#listeners.values()) wake(listener)
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Begins a request of the user. Call `leave` when it ends. */
  attend(userId: UserId): Listener {
    let listener = this.#listeners.get(userId)
    if (listener === undefined) {
      listener = new Listener(userId)
      this.#listeners.set(userId, listener)
    }
    this.#idle.delete(userId)
    listener.requests++
    return listener
  }

  /**
   * Says in which rooms the user is now, and into which the device peeks. Of rooms that are new nothing was heard until this moment, so that a request
   * which has read the clock before has to look again.
   */
  follow(listener: Listener, memberships: Memberships, peeked: PeekedRooms, visible: number): void {
    const peeksBefore = listener.peeked.size
    for (const roomId of peeked.keys()) listener.peeked.add(roomId)
    if (listener.memberships === memberships && listener.peeked.size === peeksBefore) return
    listener.memberships = memberships
    listener.lastChange = Math.max(listener.lastChange, visible)
    const kept = new Set([...joinedRooms(memberships), ...listener.peeked])
    const rooms = [...kept]
    for (const roomId of listener.rooms) if (!kept.has(roomId)) this.#unlist(roomId, listener)
    for (const roomId of rooms) this.#list(roomId, listener)
    listener.rooms = rooms
  }

  leave(listener: Listener): void {
    listener.requests--
    if (listener.requests > 0) return
    if (listener.rooms.length < MAX_IDLE_ROOMS) this.#idle.set(listener.userId, listener)
    else this.#forget(listener)
  }

  /** Ends when something after the position concerns the user, after `ms`, or when the client goes away. */
  wait(listener: Listener, after: number, ms: number, signal: AbortSignal): Promise<void> {
    if (listener.lastChange > after || this.#stopped || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        timeUp()
        signal.removeEventListener('abort', end)
        listener.waiting.delete(end)
        resolve()
      }
      const timeUp = this.#time.after(ms, end)
      signal.addEventListener('abort', end, { once: true })
      listener.waiting.add(end)
    })
  }

  #tell(changes: readonly Change[]): void {
    if (this.#idle.size === this.#listeners.size) return
    for (const { stream, position, keys } of changes) {
      if (BY_SHARING_USER.has(stream)) this.#tellSharing(keys as readonly UserId[], position)
      else for (const listener of this.#concerned(stream, keys)) tell(listener, position)
    }
  }

  *#concerned(stream: string, keys: readonly string[]): Iterable<Listener> {
    for (const key of keys) {
      if (BY_ROOM.has(stream)) yield* this.#byRoom.get(key as RoomId) ?? []
      const userId = BY_USER.has(stream) ? key : BY_USER_AND_MORE.has(stream) ? userOf(key) : undefined
      const listener = userId === undefined ? undefined : this.#listeners.get(userId as UserId)
      if (listener !== undefined) yield listener
    }
  }

  #tellSharing(users: readonly UserId[], position: number): void {
    for (const userId of users) {
      const own = this.#listeners.get(userId)
      if (own !== undefined) tell(own, position)
      this.#roomserver.memberships(userId).then(
        (memberships) => {
          for (const roomId of joinedRooms(memberships)) {
            for (const listener of this.#byRoom.get(roomId) ?? []) tell(listener, position)
          }
        },
        (error: unknown) => this.#log.warn({ err: error }, 'nobody could be told of a change of devices or presence'),
      )
    }
  }

  #list(roomId: RoomId, listener: Listener): void {
    const listeners = this.#byRoom.get(roomId)
    if (listeners === undefined) this.#byRoom.set(roomId, new Set([listener]))
    else listeners.add(listener)
  }

  #unlist(roomId: RoomId, listener: Listener): void {
    const listeners = this.#byRoom.get(roomId)
    listeners?.delete(listener)
    if (listeners?.size === 0) this.#byRoom.delete(roomId)
  }

  #forget(listener: Listener): void {
    for (const roomId of listener.rooms) this.#unlist(roomId, listener)
    this.#listeners.delete(listener.userId)
  }
}

export type { Listener }

function userOf(key: string): string {
  const end = key.indexOf('\0')
  return end === -1 ? key : key.slice(0, end)
}

function joinedRooms(memberships: Memberships): RoomId[] {
  const rooms: RoomId[] = []
  for (const { roomId, membership } of memberships.values()) if (membership === 'join') rooms.push(roomId)
  return rooms
}

function tell(listener: Listener, position: number): void {
  if (position > listener.lastChange) listener.lastChange = position
  wake(listener)
}

function wake(listener: Listener): void {
  for (const end of [...listener.waiting]) end()
}
