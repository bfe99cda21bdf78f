import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventDraft, RoomEvent } from '../../../../src/components/roomserver/api.js'
import type { RoomId, UserId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  counted,
  idsOf,
  member,
  message,
  pageThrough,
  present,
  publicRoom,
  type Reading,
  sendEach,
  startReading,
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

/** A room without m.room.history_visibility. */
async function newRoom(): Promise<RoomId> {
  const room = publicRoom(ALICE)
  const events = room.events.filter(({ type }) => type !== 'm.room.history_visibility')
  return (await warm.rooms.createRoom({ ...room, events })).roomId
}

type Step = 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban'

function draftOf(roomId: RoomId, viewer: UserId, step: Step): EventDraft {
  if (step === 'join' || step === 'leave') return member(roomId, viewer, step)
  if (step === 'invite' || step === 'ban') return member(roomId, ALICE, step, viewer)
  return member(roomId, ALICE, 'leave', viewer)
}

/** What a timeline says of itself, read from the events alone. */
interface Told {
  readonly visibility: string | undefined
  readonly membership: string | undefined
}

function toldBy(event: RoomEvent, viewer: UserId): Told {
  const { type, stateKey, content } = event
  return {
    visibility: type === 'm.room.history_visibility' ? String(content.history_visibility) : undefined,
    membership: type === 'm.room.member' && stateKey === viewer ? String(content.membership) : undefined,
  }
}

/** The five rules of "Room History Visibility", and the two paragraphs after them, for a room without forks. */
function specAllows(timeline: readonly RoomEvent[], index: number, viewer: UserId): boolean {
  const told = timeline.map((event) => toldBy(event, viewer))
  const before = told.slice(0, index)
  const visibilityBefore = before.findLast((one) => one.visibility !== undefined)?.visibility ?? 'shared'
  const membershipBefore = before.findLast((one) => one.membership !== undefined)?.membership ?? 'leave'
  const own = told[index]
  const joinsLater = told.slice(index + 1).some(({ membership }) => membership === 'join')
  const rules = (visible: string, membership: string): boolean => {
    if (visible === 'world_readable') return true
    if (membership === 'join') return true
    if (visible === 'shared' && joinsLater) return true
    return membership === 'invite' && visible === 'invited'
  }
  if (rules(visibilityBefore, membershipBefore)) return true
  if (own?.visibility !== undefined) return rules(own.visibility, membershipBefore)
  if (own?.membership === undefined) return false
  // Declared departure: an invite that is turned down stays in nobody's list.
  if (own.membership === 'leave' && membershipBefore === 'invite') return true
  return rules(visibilityBefore, own.membership)
}

const VISIBILITIES = ['world_readable', 'shared', 'invited', 'joined', undefined] as const
const TIMELINES: readonly (readonly Step[])[] = [
  [],
  ['invite'],
  ['join'],
  ['invite', 'join'],
  ['join', 'leave'],
  ['invite', 'leave'],
  ['ban', 'unban'],
  ['join', 'kick', 'invite'],
  ['join', 'leave', 'join'],
  ['invite', 'join', 'ban'],
]

interface Case {
  readonly first: (typeof VISIBILITIES)[number]
  readonly then: (typeof VISIBILITIES)[number]
  readonly steps: readonly Step[]
}

const CASES: readonly Case[] = VISIBILITIES.flatMap((first) =>
  VISIBILITIES.flatMap((then) => TIMELINES.map((steps) => ({ first, then, steps }))),
)

async function play({ first, then, steps }: Case, viewer: UserId): Promise<{ roomId: RoomId; timeline: RoomEvent[] }> {
  const roomId = await newRoom()
  const drafts: EventDraft[] = []
  const say = () => drafts.push(message(roomId, ALICE, `${drafts.length}`))
  if (first !== undefined) drafts.push(visibility(roomId, ALICE, first))
  say()
  for (const [index, step] of steps.entries()) {
    drafts.push(draftOf(roomId, viewer, step))
    say()
    if (index === 0 && then !== undefined) {
      drafts.push(visibility(roomId, ALICE, then))
      say()
    }
  }
  if (steps.length === 0 && then !== undefined) {
    drafts.push(visibility(roomId, ALICE, then))
    say()
  }
  await sendEach(warm, drafts)
  const { events } = await pageThrough(warm, { roomId, from: 'start', direction: 'f', limit: 100, viewer: ALICE })
  return { roomId, timeline: events }
}

describe('who may see an event', () => {
  it('is what the specification says, for every visibility and every way of coming and going', async () => {
    const viewer = user('viewer')
    const rooms: { play: { roomId: RoomId; timeline: RoomEvent[] }; one: Case }[] = []
    await Promise.all(CASES.map(async (one) => rooms.push({ one, play: await play(one, viewer) })))
    const cold = await startReading(db.database)
    for (const { one, play } of rooms) {
      const { roomId, timeline } = play
      const name = `${one.first} then ${one.then}, ${one.steps.join(' ')}`
      expect(timeline.length, name).toBeGreaterThan(4)
      const expected = idsOf(timeline.filter((_event, index) => specAllows(timeline, index, viewer)))
      expect(idsOf(await warm.history.visibleTo(viewer, timeline)), name).toEqual(expected)
      const request = { roomId, direction: 'b', limit: 3, viewer } as const
      const paged = await pageThrough(cold, { ...request, from: 'end' })
      expect(idsOf(paged.events).reverse(), name).toEqual(expected)
    }
    // All rooms at once: the same number of statements as for one of them.
    const all = rooms.flatMap(({ play }) => play.timeline)
    const fresh = await startReading(db.database)
    const { statements, result } = await counted(db.database, async () => {
      const stored = await fresh.history.events(idsOf(all))
      return fresh.history.visibleTo(
        viewer,
        idsOf(all).map((id) => present(stored.get(id))),
      )
    })
    expect(result.length).toBeGreaterThan(0)
    expect(statements.length).toBeLessThanOrEqual(6)
    await cold.rooms.stop()
    await fresh.rooms.stop()
  }, 60_000)

  it('costs somebody who is joined to a room with shared history nothing', async () => {
    const roomId = await newRoom()
    await sendEach(warm, [visibility(roomId, ALICE, 'shared'), member(roomId, BOB, 'join'), message(roomId, BOB, 'x')])
    const { events } = await pageThrough(warm, { roomId, from: 'end', direction: 'b', limit: 50, viewer: BOB })
    const { result, statements } = await counted(db.database, () => warm.history.visibleTo(BOB, events))
    expect(result).toHaveLength(events.length)
    expect(statements).toEqual([])
  })

  it('follows a change of visibility at once', async () => {
    const roomId = await newRoom()
    const before = await warm.rooms.send(message(roomId, ALICE, 'open'))
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const read = async () => {
      const { events } = await pageThrough(warm, { roomId, from: 'end', direction: 'b', limit: 50, viewer: BOB })
      return idsOf(events)
    }
    expect(await read()).toContain(before.eventId)
    await sendEach(warm, [visibility(roomId, ALICE, 'joined'), member(roomId, ALICE, 'leave', BOB)])
    const hidden = await warm.rooms.send(message(roomId, ALICE, 'hidden'))
    await warm.rooms.send(member(roomId, BOB, 'join'))
    const seen = await read()
    expect(seen).not.toContain(hidden.eventId)
    expect(seen).toContain(before.eventId)
  })

  it('leaves one who has forgotten the room nothing but what the world may read', async () => {
    const roomId = await newRoom()
    const sent = await sendEach(warm, [
      member(roomId, BOB, 'join'),
      message(roomId, ALICE, 'for members'),
      visibility(roomId, ALICE, 'world_readable'),
      message(roomId, ALICE, 'for the world'),
      visibility(roomId, ALICE, 'shared'),
      member(roomId, BOB, 'leave'),
    ])
    await warm.rooms.forget(roomId, BOB)
    const events = await warm.history.events(sent.map(({ eventId }) => eventId))
    const visible = await warm.history.visibleTo(BOB, [...events.values()])
    expect(visible.map(({ type }) => type).sort()).toEqual([
      'm.room.history_visibility',
      'm.room.history_visibility',
      'm.room.message',
    ])
    expect(await warm.history.mayPeek(BOB, roomId)).toBe(false)
  })
})

describe('looking into a room', () => {
  it('is for members, for who was one, and for all where the world may read', async () => {
    const roomId = await newRoom()
    const peek = (userId: UserId) => warm.history.mayPeek(userId, roomId)
    expect(await peek(ALICE)).toBe(true)
    expect(await peek(BOB)).toBe(false)
    await warm.rooms.send(member(roomId, ALICE, 'invite', BOB))
    expect(await peek(BOB)).toBe(false)
    await warm.rooms.send(member(roomId, BOB, 'leave'))
    expect(await peek(BOB)).toBe(false)
    await warm.rooms.send(member(roomId, BOB, 'join'))
    expect(await peek(BOB)).toBe(true)
    await warm.rooms.send(member(roomId, ALICE, 'ban', BOB))
    expect(await peek(BOB)).toBe(true)
    await warm.rooms.send(member(roomId, ALICE, 'ban', CAROL))
    expect(await peek(CAROL)).toBe(false)
    await warm.rooms.send(visibility(roomId, ALICE, 'world_readable'))
    expect(await peek(CAROL)).toBe(true)
    expect(await warm.history.mayPeek(ALICE, '!nobody:knows' as RoomId)).toBe(false)
  })

  it('is not opened by a leave that pretends to have been a join', async () => {
    const roomId = await newRoom()
    const secret = await warm.rooms.send(message(roomId, ALICE, 'secret'))
    await warm.rooms.send(member(roomId, ALICE, 'invite', BOB))
    const content = { membership: 'leave', x: { membership: 'join' } }
    await warm.rooms.send({ ...member(roomId, BOB, 'leave'), content })
    expect(await warm.history.mayPeek(BOB, roomId)).toBe(false)
    const event = present(await warm.history.event(secret.eventId))
    expect(await warm.history.visibleTo(BOB, [event])).toEqual([])
  })
})
