import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventDraft, Viewer } from '../../../../src/components/roomserver/api.js'
import type { EventId, RoomId, UserId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  counted,
  edit,
  eventOf,
  idsOf,
  member,
  message,
  pageThrough,
  present,
  publicRoom,
  type Reading,
  sendEach,
  startReading,
  state,
  user,
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

interface Shown {
  readonly event_id: string
  readonly room_id?: string
  readonly content: Record<string, unknown>
  readonly unsigned: {
    readonly age: number
    readonly membership?: string
    readonly transaction_id?: string
    readonly prev_content?: unknown
    readonly replaces_state?: string
    readonly redacted_because?: Shown
    readonly 'm.relations'?: {
      readonly 'm.replace'?: Shown
      readonly 'm.reference'?: { readonly chunk: readonly { readonly event_id: string }[] }
      readonly 'm.thread'?: {
        readonly latest_event: Shown
        readonly count: number
        readonly current_user_participated: boolean
      }
    }
  }
}

async function newRoom(version = '10', members: readonly UserId[] = [BOB]): Promise<RoomId> {
  const { roomId } = await warm.rooms.createRoom(publicRoom(ALICE, version))
  for (const one of members) await warm.rooms.send(member(roomId, one, 'join'))
  return roomId
}

async function shown(eventId: EventId, viewer: Viewer | UserId, reading: Reading = warm): Promise<Shown> {
  const event = await eventOf(reading, eventId)
  const [text] = await reading.history.present([event], typeof viewer === 'string' ? { userId: viewer } : viewer)
  return JSON.parse(present(text)) as Shown
}

function relating(
  roomId: RoomId,
  sender: UserId,
  target: EventId,
  relType: string,
  more: EventDraft['content'] = {},
): EventDraft {
  const relation = { rel_type: relType, event_id: target }
  return { ...message(roomId, sender, relType), content: { body: relType, ...more, 'm.relates_to': relation } }
}

function redaction(roomId: RoomId, sender: UserId, redacts: EventId): EventDraft {
  return { roomId, sender, type: 'm.room.redaction', content: { reason: 'rude' }, redacts }
}

async function send(draft: EventDraft): Promise<EventId> {
  return (await warm.rooms.send(draft)).eventId
}

describe('an event as a client gets it', () => {
  it('has its age and the membership of who looks, and the room unless /sync leaves it out', async () => {
    const roomId = await newRoom()
    const early = await send(message(roomId, ALICE, 'early'))
    await warm.rooms.send(member(roomId, CAROL, 'join'))
    const late = await send(message(roomId, ALICE, 'late'))
    const event = await eventOf(warm, late)
    const options = { now: event.originServerTs + 1_234, withoutRoomId: true }
    const [text] = await warm.history.present([event], { userId: CAROL }, options)
    expect(JSON.parse(text ?? '')).toEqual({
      event_id: late,
      type: 'm.room.message',
      sender: ALICE,
      origin_server_ts: event.originServerTs,
      content: { msgtype: 'm.text', body: 'late' },
      unsigned: { age: 1_234, membership: 'join' },
    })
    expect(await shown(late, CAROL)).toMatchObject({ room_id: roomId })
    expect((await shown(early, CAROL)).unsigned.membership).toBe('leave')
    expect((await shown(early, user('stranger'))).unsigned.membership).toBe('leave')
    await warm.rooms.send(member(roomId, CAROL, 'leave'))
    expect((await shown(late, CAROL)).unsigned.membership).toBe('join')
    expect((await shown(early, CAROL)).unsigned.membership).toBe('leave')
  })

  it('has the membership that it brings about itself', async () => {
    const roomId = await newRoom('10', [])
    const invite = await send(member(roomId, ALICE, 'invite', BOB))
    const join = await send(member(roomId, BOB, 'join'))
    const leave = await send(member(roomId, BOB, 'leave'))
    for (const [eventId, membership] of [
      [invite, 'invite'],
      [join, 'join'],
      [leave, 'leave'],
    ] as const) {
      expect((await shown(eventId, BOB)).unsigned.membership).toBe(membership)
    }
  })

  it('shows the transaction id to the device that sent it, and to nobody else', async () => {
    const roomId = await newRoom()
    const transaction = { userId: ALICE, deviceId: 'ONE', path: '/send', txnId: 'txn "1"' }
    const original = await send({ ...message(roomId, ALICE, 'mine'), transaction })
    const edited = await send({ ...edit(roomId, ALICE, original, 'new'), transaction: { ...transaction, txnId: 'e' } })
    const threaded = await send({
      ...relating(roomId, ALICE, original, 'm.thread'),
      transaction: { ...transaction, txnId: 't' },
    })
    const own = await shown(original, { userId: ALICE, deviceId: 'ONE' })
    expect(own.unsigned.transaction_id).toBe('txn "1"')
    expect(own.unsigned['m.relations']?.['m.replace']).toMatchObject({
      event_id: edited,
      unsigned: { transaction_id: 'e' },
    })
    expect(own.unsigned['m.relations']?.['m.thread']?.latest_event).toMatchObject({
      event_id: threaded,
      unsigned: { transaction_id: 't' },
    })
    for (const viewer of [{ userId: ALICE, deviceId: 'TWO' }, { userId: ALICE }, { userId: BOB, deviceId: 'ONE' }]) {
      expect(JSON.stringify(await shown(original, viewer))).not.toContain('transaction_id')
    }
  })

  it('tells what a state event replaced, and its content only to those who may see it', async () => {
    const roomId = await newRoom()
    const first = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'one' }))
    await warm.rooms.send(visibility(roomId, ALICE, 'joined'))
    await warm.rooms.send(member(roomId, CAROL, 'join'))
    const hidden = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'two' }))
    await warm.rooms.send(member(roomId, CAROL, 'leave'))
    const third = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'three' }))
    await warm.rooms.send(member(roomId, CAROL, 'join'))
    const fourth = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'four' }))
    expect((await shown(first, BOB)).unsigned).not.toHaveProperty('replaces_state')
    expect((await shown(hidden, BOB)).unsigned).toMatchObject({ replaces_state: first, prev_content: { topic: 'one' } })
    const seen = (await shown(fourth, CAROL)).unsigned
    expect(seen.replaces_state).toBe(third)
    expect(seen).not.toHaveProperty('prev_content')
  })
})

describe('a redacted event', () => {
  it.each(['1', '10', '11', '12'])('is pruned everywhere in version %s, and says why', async (version) => {
    const roomId = await newRoom(version)
    const target = await send(message(roomId, BOB, 'zebra'))
    const stale = await eventOf(warm, target)
    const topic = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'zebra' }))
    const after = await send(state(roomId, ALICE, 'm.room.topic', { topic: 'tidy' }))
    await shown(target, BOB)
    const why = await send(redaction(roomId, ALICE, target))
    await send(redaction(roomId, ALICE, topic))
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      const pruned = await shown(target, BOB, reading)
      expect(pruned.content).toEqual({})
      const because = pruned.unsigned.redacted_because
      expect(because).toMatchObject({ event_id: why, redacts: target, content: { reason: 'rude', redacts: target } })
      expect((await shown(after, BOB, reading)).unsigned.prev_content).toEqual({})
      const { events } = await pageThrough(reading, { roomId, from: 'end', direction: 'b', limit: 50, viewer: BOB })
      expect(JSON.stringify(await reading.history.present(events, { userId: BOB }))).not.toContain('zebra')
    }
    // Whoever holds the event from before shows it pruned as well.
    const [text] = await warm.history.present([stale], { userId: BOB })
    expect(text).not.toContain('zebra')
    await cold.rooms.stop()
  })

  it('has no edits, and an edit that is redacted gives way to the one before', async () => {
    const roomId = await newRoom()
    const target = await send(message(roomId, ALICE, 'first'))
    const second = await send(edit(roomId, ALICE, target, 'second'))
    const third = await send(edit(roomId, ALICE, target, 'third'))
    const current = async () => (await shown(target, BOB)).unsigned['m.relations']?.['m.replace']?.event_id
    expect(await current()).toBe(third)
    await send(redaction(roomId, ALICE, third))
    expect(await current()).toBe(second)
    await send(redaction(roomId, ALICE, target))
    expect((await shown(target, BOB)).unsigned).not.toHaveProperty('m.relations')
  })

  it('counts in no thread and is no reference any more', async () => {
    const roomId = await newRoom()
    const root = await send(message(roomId, ALICE, 'root'))
    const [first, second] = [
      await send(relating(roomId, BOB, root, 'm.thread')),
      await send(relating(roomId, BOB, root, 'm.thread')),
    ]
    const reference = await send(relating(roomId, BOB, root, 'm.reference'))
    expect((await shown(root, BOB)).unsigned['m.relations']).toMatchObject({ 'm.thread': { count: 2 } })
    await send(redaction(roomId, ALICE, second))
    await send(redaction(roomId, ALICE, reference))
    const relations = (await shown(root, BOB)).unsigned['m.relations']
    expect(relations?.['m.thread']).toMatchObject({ count: 1, latest_event: { event_id: first } })
    expect(relations).not.toHaveProperty('m.reference')
  })

  it('of two that redact each other is served', async () => {
    const roomId = await newRoom()
    const target = await send(message(roomId, BOB, 'x'))
    const first = await send(redaction(roomId, BOB, target))
    const second = await send(redaction(roomId, BOB, first))
    await send(redaction(roomId, BOB, second))
    expect((await shown(target, BOB)).unsigned.redacted_because?.event_id).toBe(first)
    expect((await shown(first, BOB)).content).toEqual({})
  })
})

describe('bundled aggregations', () => {
  it('hold the newest valid edit', async () => {
    const roomId = await newRoom()
    const target = await send(message(roomId, ALICE, 'original'))
    const valid = await send(edit(roomId, ALICE, target, 'valid'))
    await send(edit(roomId, BOB, target, 'by somebody else'))
    await send(relating(roomId, ALICE, target, 'm.replace', { 'm.new_content': 'not an object' }))
    await send({ ...edit(roomId, ALICE, target, 'another type'), type: 'm.sticker' })
    await send(edit(roomId, ALICE, valid, 'an edit of an edit'))
    const other = await newRoom()
    await send(edit(other, ALICE, target, 'in another room'))
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      const { unsigned, content } = await shown(target, BOB, reading)
      expect(content).toMatchObject({ body: 'original' })
      expect(unsigned['m.relations']).toEqual({ 'm.replace': await shown(valid, BOB, reading).then(ageless) })
      expect((await shown(valid, BOB, reading)).unsigned).not.toHaveProperty('m.relations')
    }
    await cold.rooms.stop()
  })

  it('choose between edits by their time, then by their id', async () => {
    const roomId = await newRoom()
    const target = await send(message(roomId, ALICE, 'original'))
    const newest = await send({ ...edit(roomId, ALICE, target, 'newest'), originServerTs: 4_000_000_000_000 })
    await send({ ...edit(roomId, ALICE, target, 'older'), originServerTs: 3_999_999_999_999 })
    expect((await shown(target, BOB)).unsigned['m.relations']?.['m.replace']?.event_id).toBe(newest)
    const rival = await send({ ...edit(roomId, ALICE, target, 'rival'), originServerTs: 4_000_000_000_000 })
    const winner = [newest, rival].sort().at(-1)
    expect((await shown(target, BOB)).unsigned['m.relations']?.['m.replace']?.event_id).toBe(winner)
  })

  it('hold references, and threads with their newest event, its own edit, and who takes part', async () => {
    const roomId = await newRoom('10', [BOB, CAROL])
    const root = await send(message(roomId, ALICE, 'root'))
    expect((await shown(root, ALICE)).unsigned).not.toHaveProperty('m.relations')
    const references = [
      await send(relating(roomId, BOB, root, 'm.reference')),
      await send(relating(roomId, ALICE, root, 'm.reference')),
    ]
    await send(relating(roomId, BOB, root, 'm.thread'))
    const latest = await send(relating(roomId, BOB, root, 'm.thread'))
    const edited = await send(edit(roomId, BOB, latest, 'edited'))
    await send(relating(roomId, BOB, root, 'm.annotation'))
    const cold = await startReading(db.database)
    for (const reading of [warm, cold]) {
      for (const [viewer, participated] of [
        [ALICE, true],
        [BOB, true],
        [CAROL, false],
      ] as const) {
        const relations = (await shown(root, viewer, reading)).unsigned['m.relations']
        expect(relations?.['m.reference']?.chunk).toEqual(references.map((event_id) => ({ event_id })))
        expect(relations?.['m.thread']).toMatchObject({
          count: 2,
          current_user_participated: participated,
          latest_event: { event_id: latest, unsigned: { 'm.relations': { 'm.replace': { event_id: edited } } } },
        })
      }
    }
    await cold.rooms.stop()
  })

  it('show somebody who has left nothing that came after', async () => {
    const roomId = await newRoom()
    const root = await send(message(roomId, ALICE, 'root'))
    const before = await send(edit(roomId, ALICE, root, 'before'))
    await send(relating(roomId, ALICE, root, 'm.thread'))
    await send(member(roomId, BOB, 'leave'))
    const after = await send(edit(roomId, ALICE, root, 'after'))
    await send(relating(roomId, ALICE, root, 'm.thread'))
    const late = await send(relating(roomId, ALICE, root, 'm.reference'))
    const seen = (await shown(root, BOB)).unsigned['m.relations']
    expect(seen?.['m.replace']?.event_id).toBe(before)
    expect(seen?.['m.thread']?.count).toBe(1)
    expect(JSON.stringify(seen)).not.toContain(after)
    expect(JSON.stringify(seen)).not.toContain(late)
    expect((await shown(root, ALICE)).unsigned['m.relations']?.['m.replace']?.event_id).toBe(after)
  })
})

describe('the price of a page', () => {
  it('is nothing when it is warm, and three statements beside reading it when it is not', async () => {
    const roomId = await newRoom('10', [BOB])
    await sendEach(warm, [
      state(roomId, ALICE, 'm.room.topic', { topic: 'one' }),
      state(roomId, ALICE, 'm.room.topic', { topic: 'two' }),
    ])
    for (let index = 0; index < 5; index++) {
      const root = await send(message(roomId, ALICE, `${index}`))
      const threaded = await send(relating(roomId, BOB, root, 'm.thread'))
      await send(edit(roomId, BOB, threaded, 'edited'))
      await send(redaction(roomId, ALICE, await send(message(roomId, BOB, 'rude'))))
    }
    const request = { roomId, from: 'end', direction: 'b', limit: 100, viewer: BOB } as const
    for (const [reading, most] of [
      [warm, 3],
      [await startReading(db.database), 3],
    ] as const) {
      const { events } = await reading.history.page(request)
      expect(events.length).toBeGreaterThan(30)
      const first = await counted(db.database, () => reading.history.present(events, { userId: BOB }))
      expect(first.statements.length).toBeLessThanOrEqual(most)
      const again = await counted(db.database, () => reading.history.present(events, { userId: BOB }))
      expect(again.statements).toEqual([])
      expect(again.result).toHaveLength(first.result.length)
      if (reading !== warm) await reading.rooms.stop()
    }
  })

  it('of events just sent is nothing from the first time', async () => {
    const roomId = await newRoom()
    await shown(await send(message(roomId, BOB, 'warm up')), BOB)
    const eventId = await send(message(roomId, ALICE, 'new'))
    const event = await eventOf(warm, eventId)
    const { statements, result } = await counted(db.database, () => warm.history.present([event], { userId: BOB }))
    expect(statements).toEqual([])
    expect(idsOf([event])).toEqual(result.map((text) => (JSON.parse(text) as Shown).event_id))
  })
})

/** The same event at another moment. */
function ageless(event: Shown): unknown {
  return { ...event, unsigned: { ...event.unsigned, age: expect.any(Number) } }
}
