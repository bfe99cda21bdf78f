import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { statement } from '../../../../src/platform/statement.js'
import type { EventId, RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  counted,
  idsOf,
  member,
  message,
  now,
  pageThrough,
  publicRoom,
  type Reading,
  sendEach,
  startReading,
  state,
} from './support.js'

const REFUSE = statement<never, [ids: readonly string[]]>(
  'test.events.refuse',
  'UPDATE roomserver.events SET verdict = 2, position = NULL WHERE event_id = ANY($1::text[])',
)

const TOUCH = statement<never, [roomId: string]>(
  'test.rooms.touch',
  'UPDATE roomserver.rooms SET last_position = 9000000000 WHERE room_id = $1',
)

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

async function say(roomId: RoomId, count: number): Promise<{ eventId: EventId; position: number }[]> {
  const drafts = Array.from({ length: count }, (_, index) => message(roomId, ALICE, `${index}`))
  return sendEach(warm, drafts)
}

describe('the newest events', () => {
  it('of rooms that have just moved are given from memory, and as the store has them', async () => {
    const roomIds = [await newRoom(), await newRoom(), await newRoom()]
    const since = await now(warm)
    for (const roomId of roomIds) await say(roomId, 4)
    const upTo = await now(warm)
    const ranges = roomIds.map((roomId, index) => ({ roomId, after: since, upTo, limit: index + 3 }))
    const memory = await counted(db.database, () => warm.history.newest(ranges))
    expect(memory.statements).toEqual([])
    const cold = await startReading(db.database)
    const stored = await counted(db.database, () => cold.history.newest(ranges))
    expect(stored.statements).toHaveLength(2)
    for (const { roomId, limit } of ranges) {
      const page = memory.result.get(roomId)
      expect(page?.events).toHaveLength(Math.min(limit, 4))
      expect(page?.limited).toBe(limit < 4)
      expect(stored.result.get(roomId)).toMatchObject({ limited: page?.limited, end: page?.end })
      expect(idsOf(stored.result.get(roomId)?.events)).toEqual(idsOf(page?.events))
    }
    await cold.rooms.stop()
  })

  it('stop at the position that is asked for, and begin after the other', async () => {
    const roomId = await newRoom()
    const sent = await say(roomId, 6)
    const [, second, third, , fifth] = sent
    const range = { roomId, after: second?.position ?? 0, upTo: fifth?.position ?? 0, limit: 10 }
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      const page = (await reading.history.newest([range])).get(roomId)
      expect(idsOf(page?.events)).toEqual(sent.slice(2, 5).map(({ eventId }) => eventId))
      expect(page?.limited).toBe(false)
      const none = await reading.history.newest([{ ...range, after: fifth?.position ?? 0 }])
      expect(none.get(roomId)).toEqual({ events: [], limited: false, end: undefined })
      const zero = (await reading.history.newest([{ ...range, limit: 0 }])).get(roomId)
      expect(zero).toMatchObject({ events: [], limited: true })
    }
    expect(third).toBeDefined()
    await cold.rooms.stop()
  })

  it('are complete when there are more than memory holds', async () => {
    const roomId = await newRoom()
    const after = await now(warm)
    const sent = await say(roomId, 70)
    const range = { roomId, after, upTo: await now(warm), limit: 100 }
    const page = (await warm.history.newest([range])).get(roomId)
    expect(idsOf(page?.events)).toEqual(sent.map(({ eventId }) => eventId))
  })

  it('leave out what came before when they begin with the room itself', async () => {
    const roomId = await newRoom()
    const range = { roomId, after: 0, upTo: await now(warm), limit: 20 }
    const page = (await warm.history.newest([range])).get(roomId)
    expect(page?.events[0]?.type).toBe('m.room.create')
    expect(page?.end).toBeUndefined()
  })

  it('lead back to everything before them, once', async () => {
    const roomId = await newRoom()
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const sent = await say(roomId, 30)
    const range = { roomId, after: 0, upTo: await now(warm), limit: 10 }
    const page = (await warm.history.newest([range])).get(roomId)
    expect(page?.limited).toBe(true)
    const { events } = await pageThrough(warm, {
      roomId,
      from: page?.end ?? 'end',
      direction: 'b',
      limit: 7,
      viewer: BOB,
    })
    const all = [...idsOf(events).reverse(), ...idsOf(page?.events)]
    expect(all).toHaveLength(30 + 6)
    expect(new Set(all).size).toBe(36)
    expect(all.slice(6)).toEqual(sent.map(({ eventId }) => eventId))
  })

  it('are told of the rooms that changed', async () => {
    const [quiet, busy] = [await newRoom(), await newRoom()]
    const since = await now(warm)
    await say(busy, 1)
    expect(await warm.history.roomsChangedSince([quiet, busy], since)).toEqual([busy])
  })
})

describe('a filter', () => {
  it('is applied while reading, with globs in types', async () => {
    const roomId = await newRoom()
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const since = await now(warm)
    const drafts = [
      message(roomId, ALICE, 'one'),
      message(roomId, BOB, 'two'),
      { ...message(roomId, BOB, 'three'), content: { msgtype: 'm.image', body: 'x', url: 'mxc://a/b' } },
      { roomId, sender: ALICE, type: 'org.example.a_b', content: {} },
      { roomId, sender: ALICE, type: 'org.example.axb', content: {} },
      state(roomId, ALICE, 'm.room.topic', { topic: 't' }),
    ]
    const ids = (await sendEach(warm, drafts)).map(({ eventId }) => eventId)
    const reaction = await warm.rooms.send({
      roomId,
      sender: BOB,
      type: 'm.reaction',
      content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: ids[0] ?? '', key: '+' } },
    })
    const upTo = await now(warm)
    const cases = [
      [{ types: ['m.room.message'] }, [0, 1, 2]],
      [{ types: ['org.example.a_b'] }, [3]],
      [{ types: ['org.*', 'm.room.t*c'] }, [3, 4, 5]],
      [{ types: [] }, []],
      [{ notTypes: ['m.*'] }, [3, 4]],
      [{ senders: [BOB], notTypes: ['m.reaction'] }, [1, 2]],
      [{ notSenders: [BOB], types: ['*'] }, [0, 3, 4, 5]],
      [{ containsUrl: true }, [2]],
      [{ containsUrl: false, types: ['m.room.message'] }, [0, 1]],
      [{ relatedByRelTypes: ['m.annotation'] }, [0]],
      [{ relatedByRelTypes: ['m.thread'] }, []],
      [{ relatedBySenders: [BOB] }, [0]],
      [{ relatedBySenders: [ALICE] }, []],
    ] as const
    for (const [filter, expected] of cases) {
      const wanted = expected.map((index) => ids[index])
      const page = (await warm.history.newest([{ roomId, after: since, upTo, limit: 20 }], filter)).get(roomId)
      expect(idsOf(page?.events), JSON.stringify(filter)).toEqual(wanted)
      const request = { roomId, direction: 'b', from: 'end', limit: 2, viewer: BOB, filter } as const
      const place = await warm.history.topologicalToken(roomId, since)
      const back = await pageThrough(warm, { ...request, to: place })
      expect(idsOf(back.events).reverse(), JSON.stringify(filter)).toEqual(wanted)
    }
    expect(reaction.eventId).toBeDefined()
  })
})

describe('a filter that finds little', () => {
  /** Many events at the cost of a few: copies of one under other ids, without edges, below the first live one. */
  const COPY = statement<never, [eventId: string, count: number]>(
    'test.events.copy',
    `INSERT INTO roomserver.events (event_nid, event_id, room_nid, type_nid, sender, depth, origin_server_ts, position,
      snapshot_id, json)
    SELECT 900000000 + n, '$copy' || n, e.room_nid, e.type_nid, e.sender, e.depth, 0, e.position * 1000000 + n,
      e.snapshot_id, e.json
    FROM roomserver.events e CROSS JOIN generate_series(1, $2::int) n WHERE e.event_id = $1`,
  )

  it('ends short with a way to go on', async () => {
    const roomId = await newRoom()
    const [topic, last] = await sendEach(warm, [
      state(roomId, ALICE, 'm.room.topic', { topic: 't' }),
      message(roomId, ALICE, 'm'),
    ])
    const cold = await startReading(db.database)
    await db.database.run(COPY, last?.eventId ?? '', 12_000)
    const filter = { types: ['m.room.topic'] }
    const request = { roomId, from: 'end', direction: 'b', limit: 5, viewer: ALICE, filter } as const
    const { statements, result } = await counted(db.database, () => pageThrough(cold, request))
    expect(idsOf(result.events)).toEqual([topic?.eventId])
    expect(statements.filter((name) => name.includes('backward_filtered')).length).toBe(3)
    const upTo = Number.MAX_SAFE_INTEGER
    await db.database.run(TOUCH, roomId)
    const page = (await cold.history.newest([{ roomId, after: 0, upTo, limit: 5 }], filter)).get(roomId)
    expect(page).toMatchObject({ events: [], limited: true })
    const rest = await pageThrough(cold, { ...request, from: page?.end ?? 'start' })
    expect(idsOf(rest.events)).toEqual([topic?.eventId])
    await cold.rooms.stop()
  })
})

describe('paging', () => {
  it('gives each event once, in both directions, whatever the size of the pages', async () => {
    const roomId = await newRoom()
    await warm.rooms.send(member(roomId, BOB, 'join'))
    await say(roomId, 20)
    const request = { roomId, viewer: BOB } as const
    const all = await pageThrough(warm, { ...request, from: 'start', direction: 'f', limit: 1_000 })
    expect(all.pages).toHaveLength(1)
    expect(all.events).toHaveLength(26)
    for (const limit of [1, 5, 26]) {
      const back = await pageThrough(warm, { ...request, from: 'end', direction: 'b', limit })
      expect(idsOf(back.events).reverse()).toEqual(idsOf(all.events))
      const forth = await pageThrough(warm, { ...request, from: 'start', direction: 'f', limit })
      expect(idsOf(forth.events)).toEqual(idsOf(all.events))
    }
  })

  it('takes one statement for a page whose events are in memory', async () => {
    const roomId = await newRoom()
    await say(roomId, 10)
    const request = { roomId, from: 'end', direction: 'b', limit: 10, viewer: ALICE } as const
    await warm.history.page(request)
    const { statements } = await counted(db.database, () => warm.history.page(request))
    expect(statements).toHaveLength(1)
  })

  it('goes on over a stretch of events that nobody may see', async () => {
    const roomId = await newRoom()
    const before = await say(roomId, 3)
    const refused = await say(roomId, 200)
    const after = await say(roomId, 3)
    await db.database.run(
      REFUSE,
      refused.map(({ eventId }) => eventId),
    )
    const cold = await startReading(db.database)
    const request = { roomId, from: 'end', direction: 'b', limit: 2, viewer: ALICE } as const
    const { events } = await pageThrough(cold, request)
    expect(idsOf(events).slice(0, 6).reverse()).toEqual([...before, ...after].map(({ eventId }) => eventId))
    expect(await cold.history.event(refused[0]?.eventId as EventId)).toBeUndefined()
    await cold.rooms.stop()
  })

  it('goes on, with an empty page if need be, over a long stretch that the viewer may not see', async () => {
    const roomId = await newRoom()
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const seen = await warm.rooms.send(message(roomId, ALICE, 'seen'))
    await warm.rooms.send(member(roomId, BOB, 'leave'))
    for (let round = 0; round < 23; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => warm.rooms.send(message(roomId, ALICE, `${index}`))))
    }
    const request = { roomId, from: 'end', direction: 'b', limit: 5, viewer: BOB } as const
    const { pages, events } = await pageThrough(warm, request)
    expect(pages[0]).toMatchObject({ events: [], limited: true })
    expect(pages[0]?.end).toBeDefined()
    expect(idsOf(events)).toContain(seen.eventId)
  })

  it('ends at the true end only', async () => {
    const roomId = await newRoom()
    const request = { roomId, from: 'end', direction: 'b', limit: 5, viewer: ALICE } as const
    const first = await warm.history.page(request)
    expect(first.events).toHaveLength(5)
    if (first.end !== undefined) {
      expect(await warm.history.page({ ...request, from: first.end })).toEqual({
        events: [],
        limited: false,
        end: undefined,
      })
    }
    expect(await warm.history.page({ ...request, roomId: '!nobody:knows' as RoomId })).toEqual({
      events: [],
      limited: false,
      end: undefined,
    })
  })

  it('stops at the other token, and takes the place of a sync position', async () => {
    const roomId = await newRoom()
    const sent = await say(roomId, 10)
    const from = await warm.history.topologicalToken(roomId, sent[7]?.position ?? 0)
    const to = await warm.history.topologicalToken(roomId, sent[3]?.position ?? 0)
    const back = await pageThrough(warm, { roomId, from, to, direction: 'b', limit: 3, viewer: ALICE })
    expect(idsOf(back.events).reverse()).toEqual(sent.slice(4, 8).map(({ eventId }) => eventId))
    const forth = await pageThrough(warm, { roomId, from: to, to: from, direction: 'f', limit: 3, viewer: ALICE })
    expect(idsOf(forth.events)).toEqual(sent.slice(4, 8).map(({ eventId }) => eventId))
  })
})
