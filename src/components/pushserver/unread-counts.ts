import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import { LoadingCache } from '../../platform/loading-cache.js'
import type { EventId, RoomId, UserId } from '../../protocol/ids.js'
import type { RoomUnreadCounts, UnreadCounts } from './api.js'
import { SELECT_UNREAD, type UnreadRow } from './store/unread-events.js'

const NONE: UnreadCounts = Object.freeze({ notifications: 0, highlights: 0 })
const ALL_READ: RoomUnreadCounts = Object.freeze({ all: NONE, main: NONE, threads: new Map<EventId, UnreadCounts>() })

type Key = `${UserId}\0${RoomId}`

function keyOf(userId: UserId, roomId: RoomId): Key {
  return `${userId}\0${roomId}`
}

/**
 * Unread counts in memory, by user and room, as far as somebody has asked for them; kept up with each write by what it
 * has changed. Such steps may be told in another order than they were committed in: between two of them a count can be
 * below zero, which nobody is shown.
 */
export class CountCache {
  readonly #database: Database
  readonly #known: LoadingCache<Key, RoomUnreadCounts>
  /** Rooms in which something is being written, and how many writes: whether a load has seen them cannot be told. */
  readonly #writing = new Map<RoomId, number>()

  constructor(database: Database, caches: CacheBudget) {
    this.#database = database
    this.#known = new LoadingCache<Key, RoomUnreadCounts>(
      caches.cache('pushserver.unread_counts', (counts) => 160 + counts.threads.size * 120),
      (keys) => this.#load(keys),
    )
  }

  async of(userId: UserId, roomIds: readonly RoomId[]): Promise<Map<RoomId, RoomUnreadCounts>> {
    const found = await this.#known.getMany(roomIds.map((roomId) => keyOf(userId, roomId)))
    return new Map(roomIds.map((roomId) => [roomId, shown(found.get(keyOf(userId, roomId)) ?? ALL_READ)]))
  }

  /** True when it is known that the user has nothing unread in the room. */
  isAllRead(userId: UserId, roomId: RoomId): boolean {
    const counts = this.#known.peek(keyOf(userId, roomId))
    return counts !== undefined && counts.all.notifications <= 0
  }

  /**
   * Runs a statement that changes what is unread in these rooms, and then `apply`, which tells what it has changed. What
   * is loaded meanwhile is answered and not kept: the change would be applied to what has it already.
   */
  async writing<Answer>(
    roomIds: Iterable<RoomId>,
    write: () => Promise<Answer>,
    apply: (answer: Answer) => void,
  ): Promise<Answer> {
    const rooms = new Set(roomIds)
    for (const roomId of rooms) this.#writing.set(roomId, (this.#writing.get(roomId) ?? 0) + 1)
    try {
      const answer = await write()
      apply(answer)
      return answer
    } finally {
      for (const roomId of rooms) {
        const left = (this.#writing.get(roomId) ?? 1) - 1
        if (left === 0) this.#writing.delete(roomId)
        else this.#writing.set(roomId, left)
      }
    }
  }

  added(userId: UserId, roomId: RoomId, threadRoot: EventId | '', highlight: boolean): void {
    this.#known.change(keyOf(userId, roomId), (counts) => add(counts, threadRoot, 1, highlight ? 1 : 0))
  }

  removed(rows: readonly UnreadRow[]): void {
    for (const { user_id, room_id, thread_root, notifications, highlights } of rows) {
      this.#known.change(keyOf(user_id, room_id), (counts) => add(counts, thread_root, -notifications, -highlights))
    }
  }

  forget(userId: UserId, roomId: RoomId): void {
    this.#known.invalidate([keyOf(userId, roomId)])
  }

  async #load(keys: readonly Key[]): Promise<Map<Key, RoomUnreadCounts>> {
    const [first = ''] = keys
    const userId = first.slice(0, first.indexOf('\0')) as UserId
    const roomIds = keys.map((key) => key.slice(key.indexOf('\0') + 1) as RoomId)
    const uncertain = roomIds.filter((roomId) => this.#writing.has(roomId))
    const rows = await this.#database.run(SELECT_UNREAD, userId, roomIds)
    const counts = new Map<Key, RoomUnreadCounts>(keys.map((key) => [key, ALL_READ]))
    for (const row of rows) {
      const key = keyOf(row.user_id, row.room_id)
      counts.set(key, add(counts.get(key) ?? ALL_READ, row.thread_root, row.notifications, row.highlights))
    }
    uncertain.push(...roomIds.filter((roomId) => this.#writing.has(roomId)))
    this.#known.invalidate(uncertain.map((roomId) => keyOf(userId, roomId)))
    return counts
  }
}

function add(
  counts: RoomUnreadCounts,
  threadRoot: EventId | '',
  notifications: number,
  highlights: number,
): RoomUnreadCounts {
  const all = plus(counts.all, notifications, highlights)
  if (threadRoot === '') return { ...counts, all, main: plus(counts.main, notifications, highlights) }
  const threads = new Map(counts.threads)
  const thread = plus(threads.get(threadRoot) ?? NONE, notifications, highlights)
  if (thread.notifications === 0 && thread.highlights === 0) threads.delete(threadRoot)
  else threads.set(threadRoot, thread)
  return { ...counts, all, threads }
}

function plus(counts: UnreadCounts, notifications: number, highlights: number): UnreadCounts {
  return { notifications: counts.notifications + notifications, highlights: counts.highlights + highlights }
}

function shown(counts: RoomUnreadCounts): RoomUnreadCounts {
  const { all, main, threads } = counts
  if ([all, main, ...threads.values()].every(isPossible)) return counts
  const possible = [...threads].filter(([, thread]) => isPossible(thread))
  return { all: atLeastNone(all), main: atLeastNone(main), threads: new Map(possible) }
}

function isPossible({ notifications, highlights }: UnreadCounts): boolean {
  return notifications >= 0 && highlights >= 0
}

function atLeastNone({ notifications, highlights }: UnreadCounts): UnreadCounts {
  return { notifications: Math.max(0, notifications), highlights: Math.max(0, highlights) }
}
