import type { Config } from '../../config/schema.js'
import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import { type ChangeFeed, changeInMemory } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import { createNetworkPolicy } from '../../platform/denied-networks.js'
import { createHttpClient } from '../../platform/http-client.js'
import type { Log } from '../../platform/log.js'
import type { Loop, Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import type { OutputReader, RoomServer } from '../roomserver/index.js'
import { USER_STREAMS, type UserApi } from '../userapi/index.js'
import { PUSH_STREAMS, type PushServer } from './api.js'
import { catchUp } from './catch-up.js'
import { Counter } from './counter.js'
import { Delivery } from './delivery.js'
import { createNotifications } from './notifications.js'
import { createPushRules } from './push-rules.js'
import { createPushers } from './pushers.js'
import { recipientCache } from './recipients.js'
import { SET_CURSOR } from './store/cursor.js'
import { DELETE_OLD, DELETE_READ } from './store/unread-events.js'
import { CountCache } from './unread-counts.js'

export interface PushServerDeps {
  readonly config: {
    readonly userApi: Pick<Config['user_api'], 'push_gateway_disable_tls_validation'>
    /** Gateways are named by clients: what must not be reached for other servers must not be for them. */
    readonly networks: Pick<Config['federation_api'], 'deny_networks' | 'allow_networks'>
  }
  /** Of this program, for gateways to see. */
  readonly userAgent: string
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
/** How long a receipt waits for events before it to be counted. */
const CATCH_UP_MS = 1_000
const SWEEP_EVERY_MS = 6 * 3_600_000

export function createPushServer(deps: PushServerDeps): PushServer {
  const { config, database, streamClock, caches, bus, time, feed, log } = deps
  const gateway = createHttpClient({
    policy: createNetworkPolicy(config.networks.deny_networks, config.networks.allow_networks),
    verifyCertificates: !config.userApi.push_gateway_disable_tls_validation,
    userAgent: deps.userAgent,
  })
  const counts = new CountCache(database, caches)
  const delivery = new Delivery({ ...deps, gateway })
  const onOwed = () => delivery.wake()
  const counter = new Counter({ ...deps, counts, onOwed, recipients: recipientCache(database, caches, bus) })
  const reader: OutputReader = { name: 'pushserver', read: (entries) => counter.count(entries) }
  const { forgetEnded, ...pushers } = createPushers(deps)
  let loops: Loop[] = []
  let stopListening: () => void = () => undefined

  const sweep = async (): Promise<void> => {
    const now = time.now()
    counts.removed(await database.run(DELETE_OLD, now - KEEP_UNREAD_MS, now))
    delivery.wake()
  }

  /** Logins end elsewhere, and their pushers with them. What is missed here is found when something is to be sent. */
  const followLogins = (): void => {
    const changed = new Set<UserId>()
    const cleaner = deps.loops.start({
      name: 'pushserver.ended_logins',
      owner: 'pushserver',
      intervalMs: SWEEP_EVERY_MS,
      body: async () => {
        const userIds = [...changed]
        if (userIds.length === 0) return
        await forgetEnded(userIds)
        for (const userId of userIds) changed.delete(userId)
      },
    })
    stopListening = feed.subscribe((changes) => {
      const before = changed.size
      for (const { stream, keys } of changes) {
        if (stream === USER_STREAMS.devices) for (const userId of keys) changed.add(userId as UserId)
      }
      if (changed.size > before) cleaner.wake()
    })
    loops.push(cleaner)
  }

  return {
    ...createPushRules(deps),
    ...pushers,
    ...createNotifications(deps),
    reader,
    unreadCounts: (userId, roomIds) => counts.of(userId, roomIds),
    async markRead(userId, roomId, upTo, threadId) {
      // An event can be read before it has been counted: what is visible has been.
      await streamClock.caughtUp(CATCH_UP_MS)
      if (counts.isAllRead(userId, roomId)) return
      const thread = threadId === 'main' ? '' : (threadId ?? null)
      const read = await counts.writing(
        [roomId],
        () => database.run(DELETE_READ, userId, roomId, upTo, thread, time.now()),
        (rows) => counts.removed(rows),
      )
      if (read.length === 0) return
      await changeInMemory(deps, { stream: PUSH_STREAMS.unreadCounts, keys: [`${userId}\0${roomId}`] })
      if (read.some(({ owed }) => owed > 0)) delivery.wake()
    },
    async start() {
      await catchUp({ database, counter, roomserver: deps.roomserver, streamClock, log })
      await delivery.start()
      followLogins()
      const sweeper = deps.loops.start({
        name: 'pushserver.sweep',
        owner: 'pushserver',
        intervalMs: SWEEP_EVERY_MS,
        body: sweep,
      })
      loops.push(sweeper)
    },
    async stop() {
      stopListening()
      await Promise.all([delivery.stop(), ...loops.map((loop) => loop.stop())])
      loops = []
      await gateway.close()
      // Batches that concerned nobody have not moved the cursor; the next start need not look at them again.
      await database.run(SET_CURSOR, streamClock.visible)
    },
  }
}
