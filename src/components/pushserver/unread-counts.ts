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

/** Unread counts in memory, by user and room, as far as somebody has asked for them; kept up with each batch. */
export class CountCache {
  readonly #known: LoadingCache<Key, RoomUnreadCounts>

  constructor(database: Database, caches: CacheBudget) {
    this.#known = new LoadingCache<Key, RoomUnreadCounts>(
      caches.cache('pushserver.unread_counts', (counts) => 160 + counts.threads.size * 120),
      async (keys) => {
        const [first] = keys
        const userId = (first ?? '').slice(0, (first ?? '').indexOf('\0')) as UserId
        const rows = await database.run(
          SELECT_UNREAD,
          userId,
          keys.map((key) => key.slice(key.indexOf('\0') + 1)),
        )
        const counts = new Map<Key, RoomUnreadCounts>(keys.map((key) => [key, ALL_READ]))
        for (const row of rows) {
          const key = keyOf(row.user_id, row.room_id)
          counts.set(key, add(counts.get(key) ?? ALL_READ, row.thread_root, row.notifications, row.highlights))
        }
        return counts
      },
    )
  }

  async of(userId: UserId, roomIds: readonly RoomId[]): Promise<Map<RoomId, RoomUnreadCounts>> {
    const found = await this.#known.getMany(roomIds.map((roomId) => keyOf(userId, roomId)))
    return new Map(roomIds.map((roomId) => [roomId, found.get(keyOf(userId, roomId)) ?? ALL_READ]))
  }

  /** True when it is known that the user has nothing unread in the room. */
  isAllRead(userId: UserId, roomId: RoomId): boolean {
    const counts = this.#known.peek(keyOf(userId, roomId))
    return counts !== undefined && counts.all.notifications === 0
  }

  added(userId: UserId, roomId: RoomId, threadRoot: EventId | '', highlight: boolean): void {
    this.#known.update(keyOf(userId, roomId), (counts) => add(counts, threadRoot, 1, highlight ? 1 : 0))
  }

  removed(rows: readonly UnreadRow[]): void {
    for (const { user_id, room_id, thread_root, notifications, highlights } of rows) {
      this.#known.update(keyOf(user_id, room_id), (counts) => add(counts, thread_root, -notifications, -highlights))
    }
  }

  forget(userId: UserId, roomId: RoomId): void {
    this.#known.invalidate([keyOf(userId, roomId)])
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
  if (thread.notifications === 0) threads.delete(threadRoot)
  else threads.set(threadRoot, thread)
  return { ...counts, all, threads }
}

function plus(counts: UnreadCounts, notifications: number, highlights: number): UnreadCounts {
  return {
    notifications: Math.max(0, counts.notifications + notifications),
    highlights: Math.max(0, counts.highlights + highlights),
  }
}
