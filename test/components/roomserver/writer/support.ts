import type { EventDraft, NewRoom, RoomServer } from '../../../../src/components/roomserver/api.js'
import { createWritingHalf, type WritingHalf } from '../../../../src/components/roomserver/room-writer.js'
import { createBus } from '../../../../src/platform/bus.js'
import { createCacheBudget } from '../../../../src/platform/cache.js'
import { type ChangeFeed, createChangeFeed } from '../../../../src/platform/change-feed.js'
import type { OpenDatabase } from '../../../../src/platform/database.js'
import type { Log } from '../../../../src/platform/log.js'
import { createLoops } from '../../../../src/platform/loop.js'
import { createIdAllocator } from '../../../../src/platform/number-blocks.js'
import { createStreamClock, type StreamClock } from '../../../../src/platform/stream-clock.js'
import { systemClock } from '../../../../src/platform/time.js'
import {
  parseServerName,
  parseUserId,
  type RoomId,
  type ServerName,
  type UserId,
} from '../../../../src/protocol/ids.js'
import type { JsonObject } from '../../../../src/protocol/json.js'
import { signingKeyOf } from '../../../../src/protocol/signing.js'

export const SERVER: ServerName = present(parseServerName('one.test'))
export const KEY = signingKeyOf('ed25519:test', new Uint8Array(32).fill(7))

export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there is none')
  return value
}

export function user(localpart: string, server: string = SERVER): UserId {
  return present(parseUserId(`@${localpart}:${server}`))
}

export const ALICE = user('alice')
export const BOB = user('bob')
export const CAROL = user('carol')

/** Lines that were logged as errors, for tests that expect some. */
export interface Logged {
  readonly log: Log
  readonly errors: object[]
}

export function silentLog(): Logged {
  const errors: object[] = []
  const ignore = () => undefined
  const log: Log = {
    trace: ignore,
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (first: object | string) => {
      errors.push(typeof first === 'string' ? { message: first } : first)
    },
    fatal: ignore,
    child: () => log,
  }
  return { log, errors }
}

export interface Running {
  readonly rooms: WritingHalf
  readonly clock: StreamClock
  readonly feed: ChangeFeed
  readonly logged: Logged
}

/** The room server on a database: what a process has in memory. Several after one another are restarts. */
export async function startRooms(
  database: OpenDatabase,
  options: {
    cacheBytes?: number
    beforeStart?: (rooms: Pick<RoomServer, 'readBeforeVisible' | 'readLog'>) => void
  } = {},
): Promise<Running> {
  const clock = await createStreamClock(database)
  const feed = createChangeFeed(clock)
  const logged = silentLog()
  const rooms = createWritingHalf({
    database,
    streamClock: clock,
    feed,
    bus: createBus(),
    caches: createCacheBudget(options.cacheBytes ?? 64_000_000),
    eventNids: createIdAllocator(database, 'roomserver.events'),
    snapshotIds: createIdAllocator(database, 'roomserver.snapshots'),
    loops: createLoops(systemClock, logged.log),
    serverName: SERVER,
    signingKey: KEY,
    time: systemClock,
    log: logged.log,
  })
  options.beforeStart?.(rooms)
  await rooms.start()
  return { rooms, clock, feed, logged }
}

/** A public room as a client's createRoom makes it. */
export function publicRoom(creator: UserId, version = '10', more: NewRoom['events'] = []): NewRoom {
  const levels: JsonObject =
    version === '12' ? { events_default: 0, users: {} } : { events_default: 0, users: { [creator]: 100 } }
  return {
    creator,
    version,
    creationContent: {},
    events: [
      { sender: creator, type: 'm.room.member', stateKey: creator, content: { membership: 'join', displayname: 'Me' } },
      { sender: creator, type: 'm.room.power_levels', stateKey: '', content: levels },
      { sender: creator, type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
      { sender: creator, type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } },
      ...more,
    ],
  }
}

export function message(roomId: RoomId, sender: UserId, body: string): EventDraft {
  return { roomId, sender, type: 'm.room.message', content: { msgtype: 'm.text', body } }
}

export function member(roomId: RoomId, sender: UserId, membership: string, target: UserId = sender): EventDraft {
  return { roomId, sender, type: 'm.room.member', stateKey: target, content: { membership } }
}
