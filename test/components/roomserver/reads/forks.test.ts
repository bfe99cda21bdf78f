import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VERDICT, type Verdict } from '../../../../src/components/roomserver/room-event.js'
import { buildEvent } from '../../../../src/protocol/event/build.js'
import type { EventId, RoomId, UserId } from '../../../../src/protocol/ids.js'
import type { JsonObject } from '../../../../src/protocol/json.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { KEY } from '../writer/support.js'
import {
  ALICE,
  BOB,
  eventOf,
  idsOf,
  member,
  message,
  now,
  pageThrough,
  present,
  publicRoom,
  type Reading,
  SERVER,
  startReading,
  stateIds,
  visibility,
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

interface Told {
  readonly type?: string
  readonly stateKey?: string
  readonly content?: JsonObject
  readonly verdict?: Verdict
}

/** An event that comes from elsewhere, on top of the one named. */
async function receive(roomId: RoomId, prev: EventId, told: Told = {}, sender: UserId = ALICE): Promise<EventId> {
  const parent = await eventOf(warm, prev)
  const state = stateIds(await warm.state.stateAroundEvent(parent, 'after'))
  const auth = ['m.room.create|', 'm.room.power_levels|', `m.room.member|${sender}`].map((key) => present(state[key]))
  const draft = {
    sender,
    type: told.type ?? 'm.room.message',
    content: told.content ?? { body: 'from elsewhere' },
    ...(told.stateKey !== undefined && { stateKey: told.stateKey }),
  }
  const place = { version: parent.pdu.version, now: Date.now(), prev: [prev], auth, depth: parent.depth + 1, roomId }
  const pdu = buildEvent(draft, place, { serverName: SERVER, key: KEY })
  await warm.rooms.persistReceived({ pdu, judge: () => told.verdict ?? VERDICT.accepted })
  return pdu.eventId
}

describe('a forked room', () => {
  it('is paged through completely, from its ends and from every token of /sync', async () => {
    const roomId = await newRoom()
    const root = (await warm.rooms.send(message(roomId, ALICE, 'root'))).eventId
    let long = root
    for (let index = 0; index < 8; index++) long = await receive(roomId, long)
    let short = root
    for (let index = 0; index < 4; index++) short = await receive(roomId, short)
    await warm.rooms.send(message(roomId, ALICE, 'joined again'))
    await receive(roomId, root)
    const upTo = await now(warm)
    const all = await pageThrough(warm, { roomId, from: 'start', direction: 'f', limit: 4, viewer: ALICE })
    expect(new Set(idsOf(all.events)).size).toBe(all.events.length)
    expect(all.events).toHaveLength(5 + 1 + 8 + 4 + 1 + 1)
    const back = await pageThrough(warm, { roomId, from: 'end', direction: 'b', limit: 4, viewer: ALICE })
    expect(idsOf(back.events).reverse()).toEqual(idsOf(all.events))
    for (let limit = 1; limit < all.events.length; limit++) {
      for (const reading of [warm, await startReading(db.database)]) {
        const page = present((await reading.history.newest([{ roomId, after: 0, upTo, limit }])).get(roomId))
        const before = await pageThrough(reading, {
          roomId,
          from: present(page.end),
          direction: 'b',
          limit: 4,
          viewer: ALICE,
        })
        expect(new Set([...idsOf(page.events), ...idsOf(before.events)]).size).toBe(all.events.length)
        if (reading !== warm) await reading.rooms.stop()
      }
    }
  })

  it('has a past that is rebuilt with its keys that state resolution took back', async () => {
    const roomId = await newRoom()
    const root = (await warm.rooms.send(message(roomId, ALICE, 'root'))).eventId
    const states: { position: number; ids: Record<string, EventId> }[] = []
    const note = async () => {
      const current = await warm.state.currentState([roomId])
      states.push({ position: await now(warm), ids: stateIds(current.get(roomId)) })
    }
    await note()
    await receive(roomId, root, { type: 'm.room.topic', stateKey: '', content: { topic: 'one' } })
    await note()
    await receive(roomId, root, { type: 'm.room.topic', stateKey: '', content: { topic: 'two' } })
    await note()
    await receive(roomId, root, { type: 'm.room.name', stateKey: '', content: { name: 'n' } })
    await note()
    const cold = await startReading(db.database)
    for (const { position, ids } of states) {
      for (const reading of [warm, cold]) {
        expect(stateIds((await reading.state.stateAtPosition([{ roomId, position }])).get(roomId))).toEqual(ids)
      }
    }
    await cold.rooms.stop()
  })

  it('is judged by the state on the side of the fork where an event stands', async () => {
    const roomId = await newRoom()
    const root = (await warm.rooms.send(visibility(roomId, ALICE, 'joined'))).eventId
    // On one side Bob joins; what is said on the other side he never saw, though it arrives after he joined.
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const elsewhere = await receive(roomId, root)
    const here = (await warm.rooms.send(message(roomId, ALICE, 'here'))).eventId
    const events = [await eventOf(warm, elsewhere), await eventOf(warm, here)]
    expect(idsOf(await warm.history.visibleTo(BOB, events))).toEqual([here])
    expect(idsOf(await warm.history.visibleTo(ALICE, events))).toEqual([elsewhere, here])
  })

  it('shows nobody what was refused or soft-failed', async () => {
    const roomId = await newRoom()
    const root = (await warm.rooms.send(message(roomId, ALICE, 'root'))).eventId
    const hidden = [
      await receive(roomId, root, { verdict: VERDICT.softFailed }),
      await receive(roomId, root, { verdict: VERDICT.rejected }),
    ]
    expect(await warm.history.events(hidden)).toEqual(new Map())
    const { events } = await pageThrough(warm, { roomId, from: 'end', direction: 'b', limit: 50, viewer: ALICE })
    for (const eventId of hidden) expect(idsOf(events)).not.toContain(eventId)
    const stored = await warm.rooms.internals.events.byIds(hidden)
    expect(stored.size).toBe(2)
    expect(await warm.history.visibleTo(ALICE, [...stored.values()])).toEqual([])
  })
})
