import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stateTuple } from '../../../../src/protocol/event/pdu.js'
import type { RoomId } from '../../../../src/protocol/ids.js'
import type { JsonObject } from '../../../../src/protocol/json.js'
import { KNOWN_ROOM_VERSIONS } from '../../../../src/protocol/room-version.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { ALICE, BOB, CAROL, member, message, present, publicRoom, type Running, startRooms } from './support.js'

let db: TestDatabase
let running: Running

beforeAll(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database)
})
afterAll(async () => {
  await running.rooms.stop()
  await db.close()
})

async function newRoom(version = '10'): Promise<RoomId> {
  return (await running.rooms.createRoom(publicRoom(ALICE, version))).roomId
}

describe('createRoom', () => {
  it.each(KNOWN_ROOM_VERSIONS)('makes a room of version %s that can be talked in', async (version) => {
    const { rooms } = running
    const { roomId, events } = await rooms.createRoom(publicRoom(ALICE, version))
    expect(events).toHaveLength(5)
    const positions = events.map(({ position }) => position)
    expect(positions).toEqual(positions.map((_, index) => (positions[0] ?? 0) + index))
    const sent = await rooms.send(message(roomId, ALICE, 'hello'))
    expect(sent.position).toBeGreaterThan(events.at(-1)?.position ?? 0)
    await rooms.send(member(roomId, BOB, 'join'))
    await rooms.send(message(roomId, BOB, 'hello back'))
    await expect(rooms.send(message(roomId, CAROL, 'me too'))).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
  })

  it('leaves nothing behind when one of its events is refused', async () => {
    const before = running.clock.visible
    const room = publicRoom(ALICE, '10', [{ sender: BOB, type: 'm.room.topic', stateKey: '', content: { topic: 'x' } }])
    await expect(running.rooms.createRoom(room)).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
    await expect(running.rooms.createRoom({ ...room, version: '99' })).rejects.toMatchObject({
      errcode: 'M_UNSUPPORTED_ROOM_VERSION',
    })
    expect(running.clock.visible).toBe(before)
  })
})

describe('send', () => {
  it('answers M_NOT_FOUND for a room that is not known here', async () => {
    const roomId = await newRoom()
    const [unknown, known] = await running.rooms.sendAll([
      message('!nobody:knows' as RoomId, ALICE, 'anyone?'),
      message(roomId, ALICE, 'here'),
    ])
    expect(unknown).toMatchObject({ status: 'rejected', reason: { errcode: 'M_NOT_FOUND' } })
    expect(known).toMatchObject({ status: 'fulfilled' })
  })
})

describe('names', () => {
  it('that differ only by NUL are two state keys, and both are read back as they were', async () => {
    const roomId = await newRoom()
    const put = (stateKey: string) =>
      running.rooms.send({ roomId, sender: ALICE, type: 'org.test', stateKey, content: { stateKey } })
    await put('a')
    await put('a\0')
    await put('__proto__')
    const second = await startRooms(db.database)
    const head = (await second.rooms.internals.heads.load([roomId])).get(roomId)
    const nids = ['a', 'a\0', '__proto__'].map((key) => head?.stateNid(stateTuple('org.test', key)))
    expect(new Set(nids).size).toBe(3)
    const events = await second.rooms.internals.events.byNids(nids.map(present))
    expect([...events.values()].map(({ content }) => content.stateKey).sort()).toEqual(['__proto__', 'a', 'a\0'])
    await second.rooms.stop()
  })

  it('that are too long are refused before anything is stored', async () => {
    const roomId = await newRoom()
    const long = 'x'.repeat(4_000)
    const [type, stateKey, txnId, fine] = await running.rooms.sendAll([
      { roomId, sender: ALICE, type: long, content: {} },
      { roomId, sender: ALICE, type: 'org.test', stateKey: long, content: {} },
      { ...message(roomId, ALICE, 'x'), transaction: { userId: ALICE, deviceId: 'D', path: '/p', txnId: long } },
      message(roomId, ALICE, 'fine'),
    ])
    expect(type).toMatchObject({ reason: { errcode: 'M_TOO_LARGE' } })
    expect(stateKey).toMatchObject({ reason: { errcode: 'M_TOO_LARGE' } })
    expect(txnId).toMatchObject({ reason: { errcode: 'M_INVALID_PARAM' } })
    expect(fine).toMatchObject({ status: 'fulfilled' })
    const room = publicRoom(ALICE, '10', [{ sender: ALICE, type: long, stateKey: '', content: {} }])
    await expect(running.rooms.createRoom(room)).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
  })

  it('of relations may be anything, and an event that is too big is refused alone', async () => {
    const roomId = await newRoom()
    const relation = (relates: JsonObject) => ({
      roomId,
      sender: ALICE,
      type: 'm.room.message',
      content: { body: 'x', 'm.relates_to': relates },
    })
    const long = 'x'.repeat(4_000)
    const results = await running.rooms.sendAll([
      relation({ rel_type: long, event_id: '$a' }),
      relation({ rel_type: 'm.thread', event_id: long }),
      relation({ rel_type: 'm.annotation', event_id: '$a', key: long }),
      message(roomId, ALICE, 'x'.repeat(70_000)),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
    expect(results[3]).toMatchObject({ reason: { errcode: 'M_TOO_LARGE' } })
  })
})
