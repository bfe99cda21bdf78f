/** What an event does beside being there: memberships, counts, redactions, threads, snapshots. */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EventDraft, OutputEntry } from '../../../../src/components/roomserver/api.js'
import { VERDICT } from '../../../../src/components/roomserver/room-event.js'
import { StateLoader } from '../../../../src/components/roomserver/state/state-loader.js'
import { buildEvent } from '../../../../src/protocol/event/build.js'
import { type Pdu, stateTuple } from '../../../../src/protocol/event/pdu.js'
import { type EventId, parseEventId, type RoomId, serverNameOf, type UserId } from '../../../../src/protocol/ids.js'
import { parseJson } from '../../../../src/protocol/json.js'
import { roomVersion } from '../../../../src/protocol/room-version.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  KEY,
  member,
  message,
  present,
  publicRoom,
  type Running,
  startRooms,
  user,
} from './support.js'

let db: TestDatabase
let running: Running
let sql: pg.Client
let roomId: RoomId
const read: OutputEntry[] = []

beforeAll(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database, {
    beforeStart: (rooms) =>
      rooms.readBeforeVisible({
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

async function one(query: string, ...params: unknown[]): Promise<Record<string, unknown>> {
  const { rows } = await sql.query<Record<string, unknown>>(query, params)
  return present(rows[0])
}

const send = (draft: EventDraft) => running.rooms.send(draft)
const redaction = (sender: UserId, redacts: EventId): EventDraft => ({
  roomId,
  sender,
  type: 'm.room.redaction',
  redacts,
  content: { reason: 'because' },
})
const ofEvent = (eventId: EventId) =>
  one('SELECT json, redacted_by_nid, redaction_pending, position FROM roomserver.events WHERE event_id = $1', eventId)

describe('memberships', () => {
  const row = (userId: UserId) =>
    one(
      `SELECT m.membership, m.position::int, m.forgotten, m.display_name, m.avatar_url, m.stripped_state, m.is_local
       FROM roomserver.memberships m JOIN roomserver.rooms USING (room_nid) WHERE room_id = $1 AND user_id = $2`,
      roomId,
      userId,
    )
  const counts = () =>
    one('SELECT joined_members, invited_members, local_joined_members FROM roomserver.rooms WHERE room_id = $1', roomId)

  it('follow the member events, with name, picture and place on the clock', async () => {
    const content = { membership: 'join', displayname: 'Bob', avatar_url: 'mxc://one.test/bob' }
    const joined = await send({ roomId, sender: BOB, type: 'm.room.member', stateKey: BOB, content })
    expect(await row(BOB)).toMatchObject({
      membership: 1,
      position: joined.position,
      display_name: 'Bob',
      avatar_url: 'mxc://one.test/bob',
      is_local: true,
    })
    const left = await send(member(roomId, BOB, 'leave'))
    expect(await row(BOB)).toMatchObject({ membership: 4, position: left.position, display_name: null })
  })

  it('are counted', async () => {
    const far = user('far', 'two.test')
    await send(member(roomId, BOB, 'join'))
    await send(member(roomId, ALICE, 'invite', CAROL))
    await send(member(roomId, ALICE, 'invite', far))
    expect(await counts()).toEqual({ joined_members: 2, invited_members: 2, local_joined_members: 2 })
    await send(member(roomId, CAROL, 'join'))
    await send(member(roomId, ALICE, 'ban', BOB))
    await send(member(roomId, ALICE, 'leave', far))
    expect(await counts()).toEqual({ joined_members: 2, invited_members: 0, local_joined_members: 2 })
  })

  it('of an invited user of this server carry the stripped state', async () => {
    await send({ roomId, sender: ALICE, type: 'm.room.name', stateKey: '', content: { name: 'The room' } })
    await send(member(roomId, ALICE, 'invite', BOB))
    const stripped = parseJson(String((await row(BOB)).stripped_state)) as unknown as {
      type: string
      state_key: string
    }[]
    expect(stripped.map(({ type, state_key }) => [type, state_key])).toEqual([
      ['m.room.create', ''],
      ['m.room.join_rules', ''],
      ['m.room.name', ''],
      ['m.room.member', ALICE],
      ['m.room.member', BOB],
    ])
    await send(member(roomId, ALICE, 'invite', user('far', 'two.test')))
    expect((await row(user('far', 'two.test'))).stripped_state).toBeNull()
  })

  it('are forgotten by those who left, and remembered when they come back', async () => {
    await send(member(roomId, BOB, 'join'))
    await expect(running.rooms.forget(roomId, BOB)).rejects.toMatchObject({ errcode: 'M_UNKNOWN', status: 400 })
    const left = await send(member(roomId, BOB, 'leave'))
    await running.rooms.settle()
    await running.rooms.forget(roomId, BOB)
    expect(await row(BOB)).toMatchObject({ forgotten: true })
    expect(running.feed.changedSince('memberships', [BOB], left.position)).toEqual([BOB])
    await running.rooms.forget(roomId, BOB)
    await running.rooms.forget(roomId, CAROL)
    await send(member(roomId, BOB, 'join'))
    expect(await row(BOB)).toMatchObject({ forgotten: false })
  })
})

describe('redactions', () => {
  it('prune the stored text of their target and everything kept of it', async () => {
    const root = await send(message(roomId, ALICE, 'root'))
    const content = {
      body: 'secret',
      url: 'mxc://one.test/a',
      'm.relates_to': { rel_type: 'm.thread', event_id: root.eventId },
    }
    const sent = await send({ roomId, sender: ALICE, type: 'm.room.message', content })
    const redacting = await send(redaction(ALICE, sent.eventId))
    const stored = await ofEvent(sent.eventId)
    expect(stored.json).not.toContain('secret')
    const cached = present(running.rooms.internals.events.peekId(sent.eventId))
    expect(cached).toMatchObject({ redactedBy: redacting.eventId, position: sent.position, threadRoot: undefined })
    expect(cached.content).toEqual({})
    const related = await one('SELECT count(*)::int FROM roomserver.relations WHERE relates_to = $1', root.eventId)
    expect(related).toEqual({ count: 0 })
    const second = await startRooms(db.database)
    const read = present((await second.rooms.internals.events.byIds([sent.eventId])).get(sent.eventId))
    expect(read).toMatchObject({ redactedBy: redacting.eventId, content: {} })
    await second.rooms.stop()
  })

  it('of an event in the same batch are written with it', async () => {
    const { internals } = running.rooms
    const sending = send(message(roomId, ALICE, 'soon secret'))
    const planned = present(
      internals.heads.peek(roomId) as unknown as { point: { extremities: { eventId: EventId }[] } },
    )
    const eventId = present(planned.point.extremities.at(-1)).eventId
    const [sent, redacting] = await Promise.all([sending, send(redaction(ALICE, eventId))])
    expect(redacting.position).toBe(sent.position + 1)
    expect((await ofEvent(eventId)).json).not.toContain('soon secret')
    expect(internals.events.peekId(eventId)).toMatchObject({ redactedBy: redacting.eventId, position: sent.position })
    const [told] = read.filter((entry) => entry.position === sent.position)
    expect(present(present(told).event).content).toEqual({})
  })

  it('are for the sender and for those with the level, never of m.room.create', async () => {
    await send(member(roomId, BOB, 'join'))
    await send(member(roomId, CAROL, 'join'))
    const sent = await send(message(roomId, BOB, 'mine'))
    await expect(send(redaction(CAROL, sent.eventId))).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
    await expect(send(redaction(CAROL, present(parseEventId('$unknown'))))).rejects.toMatchObject({
      errcode: 'M_NOT_FOUND',
    })
    await send(redaction(ALICE, sent.eventId))
    const create = present(running.rooms.internals.heads.peek(roomId)).stateNid(stateTuple('m.room.create', ''))
    const createId = present(running.rooms.internals.events.peek(present(create))).eventId
    await expect(send(redaction(ALICE, createId))).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
  })

  it('of a member event take the name and picture from the member', async () => {
    const content = { membership: 'join', displayname: 'Rude', avatar_url: 'mxc://one.test/rude' }
    const joined = await send({ roomId, sender: BOB, type: 'm.room.member', stateKey: BOB, content })
    await send(redaction(ALICE, joined.eventId))
    expect(
      await one(
        `SELECT membership, display_name, avatar_url FROM roomserver.memberships JOIN roomserver.rooms USING (room_nid)
         WHERE room_id = $1 AND user_id = $2`,
        roomId,
        BOB,
      ),
    ).toEqual({ membership: 1, display_name: null, avatar_url: null })
    await send(message(roomId, BOB, 'still here'))
  })
})

describe('redactions from elsewhere', () => {
  const FAR = user('far', 'two.test')
  const accept = () => VERDICT.accepted

  /** The next event of a user of another server, after everything that is here. */
  function next(type: string, content: Record<string, string>, more: { redacts?: EventId } = {}): Pdu {
    const head = present(running.rooms.internals.heads.peek(roomId)) as unknown as {
      point: { extremities: { eventId: EventId; depth: number }[] }
    }
    const last = present(head.point.extremities.at(-1))
    return buildEvent(
      { sender: FAR, type, content, ...more },
      { version: present(roomVersion('10')), now: 1, prev: [last.eventId], auth: [], depth: last.depth + 1, roomId },
      { serverName: serverNameOf(FAR), key: KEY },
    )
  }

  it.each([
    ['after their target', false],
    ['before their target', true],
  ])('take effect when they come %s', async (_, early) => {
    const target = next('m.room.message', { body: 'secret' })
    const redacting = next('m.room.redaction', {}, { redacts: target.eventId })
    const order = early ? [redacting, target] : [target, redacting]
    const positions: (number | undefined)[] = []
    for (const pdu of order) positions.push((await running.rooms.persistReceived({ pdu, judge: accept })).position)
    // Clients are not shown a redaction before its target is here.
    if (early) expect(positions[0]).toBeUndefined()
    expect((await ofEvent(target.eventId)).json).not.toContain('secret')
    expect(await ofEvent(redacting.eventId)).toMatchObject({ redaction_pending: false })
    expect((await ofEvent(redacting.eventId)).position).not.toBeNull()
    const log = await running.rooms.logAfter(0, 10_000)
    expect(log.find(({ event }) => event?.eventId === redacting.eventId)?.redacted).toBe(target.eventId)
    expect(present(running.rooms.internals.events.peekId(target.eventId)).content).toEqual({})
  })

  it.each([
    ['after their target', false],
    ['before their target', true],
  ])('have no effect without the level when they come %s, and are not shown', async (_, early) => {
    const mine = await send(message(roomId, ALICE, 'mine'))
    const redacting = next('m.room.redaction', {}, { redacts: mine.eventId })
    expect((await running.rooms.persistReceived({ pdu: redacting, judge: accept })).position).toBeUndefined()
    expect((await ofEvent(mine.eventId)).json).toContain('mine')
    if (!early) return
    const foreign = buildEvent(
      { sender: user('else', 'three.test'), type: 'm.room.message', content: { body: 'theirs' } },
      { version: present(roomVersion('10')), now: 2, prev: [mine.eventId], auth: [], depth: 9, roomId },
      { serverName: serverNameOf(user('else', 'three.test')), key: KEY },
    )
    const waiting = next('m.room.redaction', {}, { redacts: foreign.eventId })
    await running.rooms.persistReceived({ pdu: waiting, judge: accept })
    await running.rooms.persistReceived({ pdu: foreign, judge: accept })
    expect((await ofEvent(foreign.eventId)).json).toContain('theirs')
    expect(await ofEvent(waiting.eventId)).toMatchObject({ redaction_pending: false, position: null })
  })

  it('an event that is here already is answered, not stored again', async () => {
    const pdu = next('m.room.message', { body: 'twice' })
    const first = await running.rooms.persistReceived({ pdu, judge: accept })
    const again = await running.rooms.persistReceived({ pdu, judge: accept })
    expect(again).toEqual({ ...first, wasKnown: true })
  })

  it('local messages go on while received ones fork the room', async () => {
    const forks = Array.from({ length: 8 }, (_, index) => next('m.room.message', { body: `fork ${index}` }))
    const sends = Array.from({ length: 40 }, (_, index) => send(message(roomId, ALICE, `local ${index}`)))
    const received = forks.map((pdu) => running.rooms.persistReceived({ pdu, judge: accept }))
    const done = await Promise.all([...sends, ...received])
    expect(new Set(done.map(({ position }) => position)).size).toBe(48)
    await send(message(roomId, ALICE, 'joins them'))
    const { extremities } = await one(
      'SELECT cardinality(forward_extremities) AS extremities FROM roomserver.rooms WHERE room_id = $1',
      roomId,
    )
    expect(extremities).toBe(1)
  })
})

describe('threads', () => {
  it('are followed over three hops and not over four', async () => {
    const relate = async (relType: string, eventId: EventId) =>
      send({
        roomId,
        sender: ALICE,
        type: 'm.room.message',
        content: { body: 'x', 'm.relates_to': { rel_type: relType, event_id: eventId } },
      })
    const root = await send(message(roomId, ALICE, 'root'))
    let last = await relate('m.thread', root.eventId)
    const roots: unknown[] = []
    for (let hops = 1; hops <= 4; hops++) {
      last = await relate('m.reference', last.eventId)
      const { thread_root } = await one(
        'SELECT thread_root FROM roomserver.relations JOIN roomserver.events USING (event_nid) WHERE event_id = $1',
        last.eventId,
      )
      roots.push(thread_root)
    }
    expect(roots).toEqual([root.eventId, root.eventId, root.eventId, null])
  })
})

describe('snapshots', () => {
  it('tell the state before each event, through chains of deltas and full ones', async () => {
    const sent: { eventId: EventId; topics: number }[] = []
    for (let count = 0; count < 60; count++) {
      const stateKey = `key ${count % 4}`
      await send({ roomId, sender: ALICE, type: 'org.test', stateKey, content: { count } })
      sent.push({ eventId: (await send(message(roomId, ALICE, 'after'))).eventId, topics: count })
    }
    const { internals } = running.rooms
    const loader = new StateLoader(internals.database, internals.events, internals.nids)
    const { full, all } = await one(
      `SELECT count(*) FILTER (WHERE parent_id IS NULL)::int AS full, count(*)::int AS all
       FROM roomserver.state_snapshots JOIN roomserver.rooms USING (room_nid) WHERE room_id = $1`,
      roomId,
    )
    expect(all).toBe(65)
    expect(full).toBeGreaterThan(3)
    expect(full).toBeLessThan(15)
    for (const { eventId, topics } of sent) {
      const event = present(internals.events.peekId(eventId))
      const state = present((await loader.states([present(event.snapshotId)])).get(present(event.snapshotId)))
      expect(state.size).toBe(5 + Math.min(topics + 1, 4))
      const nid = present(state.get(stateTuple('org.test', `key ${topics % 4}`))).nid
      expect(present(internals.events.peek(nid)).content).toEqual({ count: topics })
    }
  })
})
