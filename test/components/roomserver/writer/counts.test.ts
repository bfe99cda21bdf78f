/** Statements are exact where times are noisy: BEGIN, COMMIT and everything else that is sent counts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { EventDraft } from '../../../../src/components/roomserver/api.js'
import type { RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { ALICE, BOB, CAROL, member, message, present, publicRoom, type Running, startRooms, user } from './support.js'

let db: TestDatabase
let running: Running
let roomId: RoomId

beforeAll(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database)
  roomId = (await running.rooms.createRoom(publicRoom(ALICE))).roomId
})
afterAll(async () => {
  await running.rooms.stop()
  await db.close()
})

async function statementsOf(action: () => Promise<unknown>): Promise<number> {
  await running.rooms.settle()
  const before = db.database.statementsSent
  await action()
  await running.rooms.settle()
  return db.database.statementsSent - before
}

it('a message costs at most five statements', async () => {
  await running.rooms.send(message(roomId, ALICE, 'first'))
  const transaction = { userId: ALICE, deviceId: 'D', path: '/send', txnId: 'counted' }
  expect(
    await statementsOf(() => running.rooms.send({ ...message(roomId, ALICE, 'x'), transaction })),
  ).toBeLessThanOrEqual(5)
})

it('a state event costs at most eight statements', async () => {
  const topic: EventDraft = { roomId, sender: ALICE, type: 'm.room.topic', stateKey: '', content: { topic: 'one' } }
  expect(await statementsOf(() => running.rooms.send(topic))).toBeLessThanOrEqual(8)
})

it('a join of somebody new costs at most ten statements', async () => {
  expect(await statementsOf(() => running.rooms.send(member(roomId, BOB, 'join')))).toBeLessThanOrEqual(10)
})

it('an invite and a leave cost at most ten statements each', async () => {
  expect(await statementsOf(() => running.rooms.send(member(roomId, ALICE, 'invite', CAROL)))).toBeLessThanOrEqual(10)
  expect(await statementsOf(() => running.rooms.send(member(roomId, CAROL, 'leave')))).toBeLessThanOrEqual(10)
})

it('createRoom costs at most twelve statements, however many events', async () => {
  const topics = Array.from({ length: 20 }, (_, index) => ({
    sender: ALICE,
    type: 'm.room.topic',
    stateKey: '',
    content: { topic: `topic ${index}` },
  }))
  expect(await statementsOf(() => running.rooms.createRoom(publicRoom(ALICE, '12', topics)))).toBeLessThanOrEqual(12)
})

it.each([1, 10, 100])('a batch of %i messages in as many rooms costs at most eight statements', async (count) => {
  const rooms = await Promise.all(Array.from({ length: count }, () => running.rooms.createRoom(publicRoom(ALICE))))
  const drafts = rooms.map((room) => message(room.roomId, ALICE, 'hello'))
  expect(await statementsOf(() => running.rooms.sendAll(drafts))).toBeLessThanOrEqual(8)
  expect(await statementsOf(() => Promise.all(drafts.map((draft) => running.rooms.send(draft))))).toBeLessThanOrEqual(8)
})

it('a new display name in 25 rooms costs at most eight statements, and sixteen right after a restart', async () => {
  const rooms = await Promise.all(Array.from({ length: 25 }, () => running.rooms.createRoom(publicRoom(ALICE))))
  const rename = (name: string) =>
    rooms.map(
      (room): EventDraft => ({
        roomId: room.roomId,
        sender: ALICE,
        type: 'm.room.member',
        stateKey: ALICE,
        content: { membership: 'join', displayname: name },
      }),
    )
  const warm = await statementsOf(async () => {
    for (const result of await running.rooms.sendAll(rename('Alice'))) expect(result.status).toBe('fulfilled')
  })
  expect(warm).toBeLessThanOrEqual(8)
  const restarted = await startRooms(db.database)
  const before = db.database.statementsSent
  for (const result of await restarted.rooms.sendAll(rename('Alicia'))) expect(result.status).toBe('fulfilled')
  await restarted.rooms.stop()
  expect(db.database.statementsSent - before).toBeLessThanOrEqual(16)
  // The process before has old heads: the guard of the rooms makes it read them again.
  const [again] = await running.rooms.sendAll([message(present(rooms[0]).roomId, ALICE, 'still here')])
  expect(present(again).status).toBe('fulfilled')
})

it('a repeated transaction that is in memory costs nothing', async () => {
  const transaction = { userId: ALICE, deviceId: 'D', path: '/send', txnId: 'again' }
  const draft = { ...message(roomId, ALICE, 'once'), transaction }
  const first = await running.rooms.send(draft)
  expect(await statementsOf(async () => expect(await running.rooms.send(draft)).toEqual(first))).toBe(0)
  expect(
    await statementsOf(async () => expect(await running.rooms.findTransaction(transaction)).toBe(first.eventId)),
  ).toBe(0)
})

it('a member of a room with 200 joins costs no more than of a small one', async () => {
  const big = (await running.rooms.createRoom(publicRoom(ALICE))).roomId
  const joins = Array.from({ length: 200 }, (_, index) => user(`member${index}`)).map((one) => member(big, one, 'join'))
  const cost = await statementsOf(async () => {
    for (const result of await running.rooms.sendAll(joins)) expect(result.status).toBe('fulfilled')
  })
  expect(cost).toBeLessThanOrEqual(14)
  expect(await statementsOf(() => running.rooms.send(message(big, user('member7'), 'hi')))).toBeLessThanOrEqual(5)
})
