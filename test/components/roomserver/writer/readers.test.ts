import { afterEach, beforeEach, expect, it } from 'vitest'
import type { OutputEntry, OutputReader } from '../../../../src/components/roomserver/api.js'
import type { RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { ALICE, BOB, member, message, present, publicRoom, type Running, startRooms } from './support.js'

let db: TestDatabase
let started: Running[] = []

beforeEach(async () => {
  db = await createTestDatabase()
})
afterEach(async () => {
  for (const { rooms } of started) await rooms.stop()
  started = []
  await db.close()
})

async function start(beforeStart: (rooms: Running['rooms']) => void = () => undefined): Promise<Running> {
  const running = await startRooms(db.database, { beforeStart: (rooms) => beforeStart(rooms as Running['rooms']) })
  started.push(running)
  return running
}

function recorder(into: OutputEntry[], name = 'recorder'): OutputReader {
  return {
    name,
    read: async (entries) => {
      into.push(...entries)
    },
  }
}

const bodies = (entries: readonly OutputEntry[]): unknown[] =>
  entries.flatMap(({ event }) => (event?.type === 'm.room.message' ? [event.content.body] : []))

it('an event is not visible before the reader that counts it is done, while its sender is answered', async () => {
  let release: () => void = () => undefined
  const blocked = new Promise<void>((resolve) => {
    release = resolve
  })
  const seen: OutputEntry[] = []
  const { rooms, clock } = await start((starting) =>
    starting.readBeforeVisible({
      name: 'counts',
      read: async (entries) => {
        seen.push(...entries)
        if (bodies(entries).includes('wait')) await blocked
      },
    }),
  )
  const { roomId } = await rooms.createRoom(publicRoom(ALICE))
  await rooms.settle()
  const sent = await rooms.send(message(roomId, ALICE, 'wait'))
  const later = await rooms.send(message(roomId, ALICE, 'later'))
  expect(clock.visible).toBeLessThan(sent.position)
  expect(bodies(seen)).toEqual(['wait'])
  release()
  await rooms.settle()
  expect(clock.visible).toBeGreaterThanOrEqual(later.position)
  expect(bodies(seen)).toEqual(['wait', 'later'])
})

it('F63: an entry that its readers cannot digest is parked, and the others go on', async () => {
  const [before, after]: [OutputEntry[], OutputEntry[]] = [[], []]
  const poisoned = (into: OutputEntry[], name: string): OutputReader => ({
    name,
    read: async (entries) => {
      if (bodies(entries).includes('poison')) throw new Error('cannot be counted')
      into.push(...entries)
    },
  })
  const { rooms, clock, logged } = await start((starting) => {
    starting.readBeforeVisible(poisoned(before, 'before'))
    starting.readLog(poisoned(after, 'after'))
  })
  const { roomId } = await rooms.createRoom(publicRoom(ALICE))
  const texts = ['one', 'poison', 'two', 'three']
  const sent = await rooms.sendAll(texts.map((text) => message(roomId, ALICE, text)))
  await clock.caughtUp(5_000)
  await rooms.settle()
  expect(bodies(before)).toEqual(['one', 'two', 'three'])
  expect(bodies(after)).toEqual(['one', 'two', 'three'])
  const parked = present(sent[1])
  expect(parked.status).toBe('fulfilled')
  const eventId = parked.status === 'fulfilled' ? parked.value.eventId : undefined
  expect(logged.errors).toMatchObject([
    { reader: 'before', event_id: eventId },
    { reader: 'after', event_id: eventId },
  ])
})

it('a reader that fails for a moment gets its entries again, in order', async () => {
  const read: OutputEntry[] = []
  let failures = 2
  const { rooms } = await start((starting) =>
    starting.readLog({
      name: 'shaky',
      read: async (entries) => {
        if (failures-- > 0) throw new Error('not now')
        read.push(...entries)
      },
    }),
  )
  const { roomId } = await rooms.createRoom(publicRoom(ALICE))
  await rooms.send(message(roomId, ALICE, 'hello'))
  await rooms.settle()
  const positions = read.map(({ position }) => position)
  expect(positions).toEqual([...positions].sort((one, other) => one - other))
  expect(bodies(read)).toEqual(['hello'])
})

/** What of an entry is the same in memory and out of the table. */
function essence(entry: OutputEntry): object {
  return {
    position: entry.position,
    roomId: entry.roomId,
    event: entry.event?.eventId,
    eventPosition: entry.event?.position,
    state: entry.stateChanges.map((change) => ({ ...change, event: change.event?.eventId })),
    memberships: entry.memberships,
    redacted: entry.redacted,
  }
}

it('the stored log says what readers were told in memory', async () => {
  const told: OutputEntry[] = []
  const { rooms } = await start((starting) => starting.readLog(recorder(told)))
  const { roomId } = await rooms.createRoom(publicRoom(ALICE))
  await rooms.send(member(roomId, BOB, 'join'))
  const sent = await rooms.send(message(roomId, BOB, 'secret'))
  await rooms.send({ roomId, sender: BOB, type: 'm.room.redaction', redacts: sent.eventId, content: {} })
  await rooms.send(member(roomId, ALICE, 'ban', BOB))
  await rooms.settle()
  const second = await start()
  const log = await second.rooms.logAfter(0, 1_000)
  expect(log.map(essence)).toEqual(told.map(essence))
  expect(await second.rooms.logAfter(present(told[3]).position, 2)).toHaveLength(2)
})

it('a reader that starts at an old cursor catches up and then follows, with nothing twice', async () => {
  const first = await start()
  const { roomId } = await first.rooms.createRoom(publicRoom(ALICE))
  const texts = Array.from({ length: 700 }, (_, index) => `old ${index}`)
  await first.rooms.sendAll(texts.map((text) => message(roomId, ALICE, text)))
  await first.rooms.stop()
  started = []
  const read: OutputEntry[] = []
  const second = await start((starting) => starting.readLog(recorder(read), 0))
  await Promise.all(Array.from({ length: 50 }, (_, index) => second.rooms.send(message(roomId, ALICE, `new ${index}`))))
  await second.rooms.settle()
  expect(bodies(read).slice(0, 700)).toEqual(texts)
  expect(new Set(bodies(read).slice(700)).size).toBe(50)
  expect(read.map(({ position }) => position)).toEqual(
    [...new Set(read.map(({ position }) => position))].sort((one, other) => one - other),
  )
})

it('changes are published to the feed: the room, and local users whose membership changed', async () => {
  const { rooms, feed } = await start()
  const { roomId } = await rooms.createRoom(publicRoom(ALICE))
  await rooms.settle()
  const position = (await rooms.send(member(roomId, BOB, 'join'))).position
  await rooms.settle()
  expect(feed.changedSince('rooms', [roomId, '!other:one.test' as RoomId], position - 1)).toEqual([roomId])
  expect(feed.changedSince('memberships', [ALICE, BOB], position - 1)).toEqual([BOB])
  expect(feed.changedSince('memberships', [ALICE, BOB], position)).toEqual([])
})
