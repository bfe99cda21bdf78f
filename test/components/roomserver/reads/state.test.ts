import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventId, RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  counted,
  eventOf,
  member,
  message,
  publicRoom,
  type Reading,
  sendEach,
  startReading,
  state,
  stateIds,
} from './support.js'

let db: TestDatabase
let warm: Reading

beforeAll(async () => {
  db = await createTestDatabase()
  warm = await startReading(db.database)
})
afterAll(async () => {
  await warm.rooms.stop()
  await db.close()
})

async function newRoom(): Promise<RoomId> {
  return (await warm.rooms.createRoom(publicRoom(ALICE))).roomId
}

describe('current state', () => {
  it('of rooms in memory costs nothing', async () => {
    const roomIds = [await newRoom(), await newRoom(), await newRoom()]
    const { result, statements } = await counted(db.database, () => warm.state.currentState(roomIds))
    expect(statements).toEqual([])
    for (const roomId of roomIds) expect(result.get(roomId)).toHaveLength(5)
    const narrow = await counted(db.database, () =>
      warm.state.currentState(roomIds, [
        ['m.room.member', undefined],
        ['m.room.name', ''],
        ['m.room.create', ''],
      ]),
    )
    expect(narrow.statements).toEqual([])
    for (const events of narrow.result.values()) {
      expect(Object.keys(stateIds(events)).sort()).toEqual(['m.room.create|', `m.room.member|${ALICE}`])
    }
  })

  it('takes as many statements for twenty rooms as for one, and is the same from memory and from the store', async () => {
    const roomIds: RoomId[] = []
    for (let index = 0; index < 20; index++) {
      const roomId = await newRoom()
      await sendEach(warm, [state(roomId, ALICE, 'm.room.topic', { topic: `${index}` }), member(roomId, BOB, 'join')])
      roomIds.push(roomId)
    }
    for (const tuples of [undefined, [['m.room.member', undefined] as const, ['m.room.topic', ''] as const]]) {
      const cold = await startReading(db.database)
      const one = await counted(db.database, () => cold.state.currentState(roomIds.slice(0, 1), tuples))
      const many = await counted(db.database, () => cold.state.currentState(roomIds.slice(1), tuples))
      expect(many.statements).toEqual(one.statements)
      expect(many.statements.length).toBeLessThanOrEqual(3)
      const expected = await warm.state.currentState(roomIds, tuples)
      for (const roomId of roomIds) {
        const found = one.result.get(roomId) ?? many.result.get(roomId)
        expect(stateIds(found)).toEqual(stateIds(expected.get(roomId)))
      }
      await cold.rooms.stop()
    }
  })

  it('knows one event of it, and what is not there', async () => {
    const roomId = await newRoom()
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      expect((await reading.state.stateEvent(roomId, 'm.room.join_rules', ''))?.content).toEqual({
        join_rule: 'public',
      })
      expect(await reading.state.stateEvent(roomId, 'm.room.name', '')).toBeUndefined()
      expect(await reading.state.stateEvent(roomId, '__proto__', 'constructor')).toBeUndefined()
      expect(await reading.state.stateEvent('!nobody:knows' as RoomId, 'm.room.name', '')).toBeUndefined()
      expect(await reading.state.room(roomId)).toMatchObject({ roomId, version: '10', participating: true })
      expect(await reading.state.room('!nobody:knows' as RoomId)).toBeUndefined()
    }
    await cold.rooms.stop()
  })

  it('tells state keys apart that differ only by NUL', async () => {
    const roomId = await newRoom()
    const [plain, nul] = await sendEach(warm, [
      state(roomId, ALICE, 'a.type', { v: 1 }, 'key'),
      state(roomId, ALICE, 'a.type', { v: 2 }, 'key\u0000'),
    ])
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      expect((await reading.state.stateEvent(roomId, 'a.type', 'key'))?.eventId).toBe(plain?.eventId)
      expect((await reading.state.stateEvent(roomId, 'a.type', 'key\u0000'))?.eventId).toBe(nul?.eventId)
    }
    await cold.rooms.stop()
  })

  it('gives the power of users', async () => {
    const { roomId } = await warm.rooms.createRoom(publicRoom(ALICE, '12'))
    expect(await warm.state.powerLevel(roomId, ALICE)).toBe(Number.POSITIVE_INFINITY)
    expect(await warm.state.powerLevel(roomId, BOB)).toBe(0)
    expect(await warm.state.powerLevel(await newRoom(), ALICE)).toBe(100)
  })
})

describe('state of the past', () => {
  it('is rebuilt for every position, with two statements however many rooms, and none where nothing changed', async () => {
    const roomIds = [await newRoom(), await newRoom()]
    const history: { position: number; states: Record<string, EventId>[] }[] = []
    const note = async (position: number) => {
      const states = await warm.state.currentState(roomIds)
      history.push({ position, states: roomIds.map((roomId) => stateIds(states.get(roomId))) })
    }
    for (const roomId of roomIds) {
      for (const draft of [
        state(roomId, ALICE, 'm.room.topic', { topic: 'one' }),
        member(roomId, BOB, 'join'),
        message(roomId, BOB, 'a message'),
        state(roomId, ALICE, 'm.room.topic', { topic: 'two' }),
        member(roomId, BOB, 'leave'),
        member(roomId, ALICE, 'invite', CAROL),
      ]) {
        const { position } = await warm.rooms.send(draft)
        await note(position)
      }
    }
    const cold = await startReading(db.database)
    await cold.state.currentState(roomIds)
    for (const { position, states } of history) {
      const at = roomIds.map((roomId) => ({ roomId, position }))
      for (const reading of [warm, cold]) {
        const { result, statements } = await counted(db.database, () => reading.state.stateAtPosition(at))
        expect(roomIds.map((roomId) => stateIds(result.get(roomId)))).toEqual(states)
        expect(statements.length).toBeLessThanOrEqual(2)
      }
      const topics = await warm.state.stateAtPosition(at, [['m.room.topic', '']])
      for (const [index, roomId] of roomIds.entries()) {
        const topic = states[index]?.['m.room.topic|']
        expect(stateIds(topics.get(roomId))).toEqual(topic === undefined ? {} : { 'm.room.topic|': topic })
      }
    }
    const last = history.at(-1)?.position ?? 0
    const now = await counted(db.database, () =>
      warm.state.stateAtPosition(roomIds.map((roomId) => ({ roomId, position: last }))),
    )
    expect(now.statements).toEqual([])
    await cold.rooms.stop()
  })

  it('lists the newest change of each key in a range, also of one that ended as it began', async () => {
    const roomId = await newRoom()
    const sent = await sendEach(warm, [
      state(roomId, ALICE, 'm.room.topic', { topic: 'one' }),
      state(roomId, ALICE, 'm.room.name', { name: 'n' }),
      state(roomId, ALICE, 'm.room.topic', { topic: 'two' }),
      message(roomId, ALICE, 'a message'),
      state(roomId, ALICE, 'm.room.topic', { topic: 'one' }),
      state(roomId, ALICE, 'm.room.name', { name: 'later' }),
    ])
    const [first, name, second, , third] = sent
    const delta = await warm.state.stateDelta([
      { roomId, after: first?.position ?? 0, upTo: third?.position ?? 0 },
      { roomId: '!nobody:knows' as RoomId, after: 0, upTo: 5 },
    ])
    expect(delta.get(roomId)?.map(({ type, event, replaced }) => [type, event?.eventId, replaced])).toEqual([
      ['m.room.name', name?.eventId, undefined],
      ['m.room.topic', third?.eventId, second?.eventId],
    ])
  })

  it('is known before and after an event', async () => {
    const roomId = await newRoom()
    const sent = await sendEach(warm, [
      state(roomId, ALICE, 'm.room.topic', { topic: 'one' }),
      state(roomId, ALICE, 'm.room.topic', { topic: 'two' }),
      state(roomId, ALICE, 'm.room.topic', { topic: 'three' }),
    ])
    const [first, second] = sent
    const event = await eventOf(warm, second?.eventId as EventId)
    const before = stateIds(await warm.state.stateAroundEvent(event, 'before'))
    const after = stateIds(await warm.state.stateAroundEvent(event, 'after'))
    expect(before['m.room.topic|']).toBe(first?.eventId)
    expect(after['m.room.topic|']).toBe(second?.eventId)
    expect({ ...before, 'm.room.topic|': '' }).toEqual({ ...after, 'm.room.topic|': '' })
  })
})
