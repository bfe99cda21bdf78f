import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { EventDraft, OutputEntry, SentEvent } from '../../../../src/components/roomserver/api.js'
import type { EventId, RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { ALICE, BOB, member, message, publicRoom, type Running, startRooms, user } from './support.js'

let db: TestDatabase
let running: Running
let sql: pg.Client
let roomId: RoomId
const read: OutputEntry[] = []

beforeAll(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database, {
    beforeStart: (rooms) =>
      rooms.readLog({
        name: 'test',
        read: async (entries) => {
          read.push(...entries)
        },
      }),
  })
  sql = new pg.Client({ connectionString: db.connectionString })
  await sql.connect()
})
beforeEach(async () => {
  roomId = (await running.rooms.createRoom(publicRoom(ALICE))).roomId
})
afterAll(async () => {
  await sql.end()
  await running.rooms.stop()
  await db.close()
})

async function stored(): Promise<{ event_id: EventId; position: number; depth: number; prev: EventId[] }[]> {
  const { rows } = await sql.query(
    `SELECT e.event_id, e.position::int, e.depth::int, array_agg(d.prev_event_id) AS prev
     FROM roomserver.events e JOIN roomserver.rooms r USING (room_nid)
     LEFT JOIN roomserver.event_edges d USING (event_nid)
     WHERE r.room_id = $1 GROUP BY 1, 2, 3 ORDER BY 2`,
    [roomId],
  )
  return rows
}

it('sixteen people send 2,000 messages into one room at once: each is there once, on one chain, and read once', async () => {
  const people = Array.from({ length: 16 }, (_, index) => user(`person${index}`))
  await running.rooms.sendAll(people.map((one) => member(roomId, one, 'join')))
  const sent = await Promise.all(
    people.map(async (one) => {
      const mine: SentEvent[] = []
      for (let count = 0; count < 125; count++) mine.push(await running.rooms.send(message(roomId, one, `${count}`)))
      return mine
    }),
  )
  for (const mine of sent) expect(mine).toEqual([...mine].sort((one, other) => one.position - other.position))
  const events = await stored()
  const ids = new Set(sent.flat().map(({ eventId }) => eventId))
  expect(ids.size).toBe(2_000)
  expect(events).toHaveLength(2_000 + 5 + 16)
  for (const [index, event] of events.entries()) {
    expect(event.depth).toBe(index + 1)
    if (index > 0) expect(event.prev).toEqual([events[index - 1]?.event_id])
  }
  await running.rooms.settle()
  const mine = read.filter((entry) => entry.roomId === roomId)
  expect(mine.map((entry) => entry.event?.eventId)).toEqual(events.map((event) => event.event_id))
  expect(mine.map((entry) => entry.position)).toEqual(events.map((event) => event.position))
})

it('the same transaction id sent at once by eight requests makes one event', async () => {
  const transaction = { userId: ALICE, deviceId: 'D', path: '/send', txnId: 'same' }
  const draft: EventDraft = { ...message(roomId, ALICE, 'once'), transaction }
  const before = (await stored()).length
  const sent = await Promise.all(Array.from({ length: 8 }, () => running.rooms.send(draft)))
  expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(1)
  expect(await stored()).toHaveLength(before + 1)
})

it('transaction ids of other devices and paths are others', async () => {
  const transaction = { userId: ALICE, deviceId: 'D', path: '/send', txnId: 'scoped' }
  const sent = await running.rooms.sendAll([
    { ...message(roomId, ALICE, 'a'), transaction },
    { ...message(roomId, ALICE, 'b'), transaction: { ...transaction, deviceId: 'E' } },
    { ...message(roomId, ALICE, 'c'), transaction: { ...transaction, path: '/redact' } },
  ])
  expect(new Set(sent.map((result) => (result.status === 'fulfilled' ? result.value.eventId : '')))).toHaveProperty(
    'size',
    3,
  )
})

it('a ban beats messages that come after it in the same moment', async () => {
  await running.rooms.send(member(roomId, BOB, 'join'))
  const [ban, late] = await running.rooms.sendAll([member(roomId, ALICE, 'ban', BOB), message(roomId, BOB, 'but')])
  expect(ban).toMatchObject({ status: 'fulfilled' })
  expect(late).toMatchObject({ status: 'rejected', reason: { errcode: 'M_FORBIDDEN' } })
})

it('state that is set to what it is already makes no event, also while the first is being written', async () => {
  const topic = (text: string): EventDraft => ({
    roomId,
    sender: ALICE,
    type: 'm.room.topic',
    stateKey: '',
    content: { topic: text },
    unlessUnchanged: true,
  })
  const [first, same] = await Promise.all([running.rooms.send(topic('one')), running.rooms.send(topic('one'))])
  expect(same).toEqual(first)
  expect(await running.rooms.send(topic('one'))).toEqual(first)
  expect(await running.rooms.send(topic('two'))).not.toEqual(first)
})
