/**
 * Events per second of the room server alone, without HTTP: one sender, and 32 senders in 32 rooms, each waiting for its
 * answer before it sends the next. On a durable PostgreSQL of its own, in a temporary folder (or the one whose URL is given).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWritingHalf, type WritingHalf } from '../src/components/roomserver/room-writer.js'
import { createBus } from '../src/platform/bus.js'
import { createCacheBudget } from '../src/platform/cache.js'
import { createChangeFeed } from '../src/platform/change-feed.js'
import { openDatabase } from '../src/platform/database.js'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.js'
import { openLog } from '../src/platform/log.js'
import { createLoops } from '../src/platform/loop.js'
import { migrate } from '../src/platform/migrate.js'
import { createIdAllocator } from '../src/platform/number-blocks.js'
import { createStreamClock } from '../src/platform/stream-clock.js'
import { systemClock } from '../src/platform/time.js'
import { parseServerName, parseUserId, type RoomId, type UserId } from '../src/protocol/ids.js'
import { signingKeyOf } from '../src/protocol/signing.js'

const SECONDS = 5
const SENDERS = 32

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'neurite-bench-'))
  const postgres = await startEmbeddedPostgres({ directory: join(folder, 'pg') })
  try {
    await measure(process.argv[2] ?? postgres.connectionString)
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(connectionString: string): Promise<void> {
  const database = await openDatabase({ connectionString, maxConnections: 8 })
  await migrate({ connectionString })
  const rooms = await startRooms(database)
  const made: [RoomId, UserId][] = []
  for (let index = 0; index < SENDERS; index++) made.push(await createRoom(rooms, index))
  await run(rooms, made.slice(0, 1), 1)
  for (const senders of [1, SENDERS]) {
    const before = process.cpuUsage()
    const count = await run(rooms, made.slice(0, senders), SECONDS)
    const cpu = process.cpuUsage(before)
    const perEvent = ((cpu.user + cpu.system) / 1_000 / count).toFixed(3)
    console.log(`${senders} senders: ${Math.round(count / SECONDS)} events/s, ${perEvent} ms of CPU per event`)
  }
  await rooms.stop()
  await database.close()
}

async function startRooms(database: Awaited<ReturnType<typeof openDatabase>>): Promise<WritingHalf> {
  const serverName = parseServerName('bench.test')
  if (serverName === undefined) throw new Error('no server name')
  const clock = await createStreamClock(database)
  const log = openLog([{ type: 'std', level: 'warn' }])
  const rooms = createWritingHalf({
    database,
    streamClock: clock,
    feed: createChangeFeed(clock),
    bus: createBus(),
    caches: createCacheBudget(64_000_000),
    eventNids: createIdAllocator(database, 'roomserver.events'),
    snapshotIds: createIdAllocator(database, 'roomserver.snapshots'),
    loops: createLoops(systemClock, log),
    serverName,
    signingKey: signingKeyOf('ed25519:bench', new Uint8Array(32).fill(1)),
    time: systemClock,
    log,
  })
  await rooms.start()
  return rooms
}

async function createRoom(rooms: WritingHalf, index: number): Promise<[RoomId, UserId]> {
  const sender = parseUserId(`@user${index}:bench.test`)
  if (sender === undefined) throw new Error('no user id')
  const { roomId } = await rooms.createRoom({
    creator: sender,
    version: '12',
    creationContent: {},
    events: [
      { sender, type: 'm.room.member', stateKey: sender, content: { membership: 'join' } },
      { sender, type: 'm.room.power_levels', stateKey: '', content: {} },
      { sender, type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
    ],
  })
  return [roomId, sender]
}

async function run(rooms: WritingHalf, senders: readonly [RoomId, UserId][], seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1_000
  let count = 0
  await Promise.all(
    senders.map(async ([roomId, sender]) => {
      while (performance.now() < end) {
        const txnId = `txn${count}`
        await rooms.send({
          roomId,
          sender,
          type: 'm.room.message',
          content: { msgtype: 'm.text', body: `message ${count} of a sender in a room` },
          transaction: { userId: sender, deviceId: 'BENCH', path: `/rooms/${roomId}/send`, txnId },
        })
        count++
      }
    }),
  )
  return count
}

await main()
