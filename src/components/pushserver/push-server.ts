import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import { type ChangeFeed, changeInMemory } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { Loop, Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { OutputReader, RoomServer } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import { PUSH_STREAMS, type PushServer } from './api.js'
import { Counter } from './counter.js'
import { createPushRules } from './push-rules.js'
import { recipientCache } from './recipients.js'
import { SELECT_CURSOR, SET_CURSOR } from './store/cursor.js'
import { DELETE_OLD, DELETE_READ } from './store/unread-events.js'
import { CountCache } from './unread-counts.js'

export interface PushServerDeps {
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
  readonly log: Log
  readonly userapi: UserApi
  readonly roomserver: RoomServer
}

/** What nobody has read for so long counts as read, so that accounts that nobody uses cost nothing for ever. */
const KEEP_UNREAD_MS = 90 * 24 * 3_600_000
const SWEEP_EVERY_MS = 6 * 3_600_000
const PAGE = 500

export function createPushServer(deps: PushServerDeps): PushServer {
  const { database, streamClock, caches, bus, time } = deps
  const counts = new CountCache(database, caches)
  const counter = new Counter({ ...deps, counts, recipients: recipientCache(database, caches, bus) })
  const reader: OutputReader = { name: 'pushserver', read: (entries) => counter.count(entries) }
  let sweep: Loop | undefined

  /** What was committed before a crash and not counted. */
  const catchUp = async (): Promise<void> => {
    const [cursor] = await database.run(SELECT_CURSOR)
    if (cursor === undefined) return
    let { position } = cursor
    for (;;) {
      const entries = await deps.roomserver.logAfter(position, PAGE)
      const last = entries.at(-1)
      if (last === undefined) return
      await counter.count(entries)
      position = last.position
      await database.run(SET_CURSOR, position)
    }
  }

  return {
    ...createPushRules(deps),
    reader,
    unreadCounts: (userId, roomIds) => counts.of(userId, roomIds),
    async markRead(userId, roomId, upTo, threadId) {
      if (counts.isAllRead(userId, roomId)) return
      const read = await database.run(DELETE_READ, userId, roomId, upTo, threadId === 'main' ? '' : (threadId ?? null))
      if (read.length === 0) return
      counts.removed(read)
      await changeInMemory(deps, { stream: PUSH_STREAMS.unreadCounts, keys: [`${userId}\0${roomId}`] })
    },
    async start() {
      await catchUp()
      sweep = deps.loops.start({
        name: 'pushserver.sweep',
        owner: 'pushserver',
        intervalMs: SWEEP_EVERY_MS,
        body: async () => {
          await database.run(DELETE_OLD, time.now() - KEEP_UNREAD_MS)
        },
      })
    },
    async stop() {
      await sweep?.stop()
      // Batches that concerned nobody have not moved the cursor; the next start need not look at them again.
      await database.run(SET_CURSOR, streamClock.visible)
    },
  }
}
