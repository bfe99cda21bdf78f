import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestUser } from '../../support/server.js'
import { type Body, keysOf, SyncHarness, shown } from './support.js'

let h: SyncHarness
let alice: TestUser
let bob: TestUser

beforeAll(async () => {
  h = await SyncHarness.start()
  alice = await h.user('alice')
  bob = await h.user('bob')
})
afterAll(() => h.server.stop())

describe('joined rooms', () => {
  it('an initial sync has the state before the timeline and nothing twice', async () => {
    const room = await h.room(alice, { name: 'One' })
    for (let index = 0; index < 3; index++) await h.say(alice, room, `m${index}`)
    const body = await h.sync(alice, { filter: { room: { rooms: [room], timeline: { limit: 3 } } } })
    const joined = body.rooms.join[room]
    expect(shown(joined.timeline.events)).toEqual(['m0', 'm1', 'm2'])
    expect(joined.timeline.limited).toBe(true)
    expect(joined.timeline.prev_batch).toMatch(/^t\d+_\d+$/)
    expect(keysOf(joined.state.events)).toEqual(
      [
        'm.room.create',
        'm.room.history_visibility',
        'm.room.join_rules',
        `m.room.member|${alice.userId}`,
        'm.room.name',
        'm.room.power_levels',
      ].sort(),
    )
    expect(joined.timeline.events[0].room_id).toBeUndefined()
    expect(joined.unread_notifications).toEqual({ highlight_count: 0, notification_count: 0 })
    expect(joined.summary).toEqual({ 'm.joined_member_count': 1, 'm.invited_member_count': 0 })
    const whole = await h.sync(alice, { filter: { room: { rooms: [room], timeline: { limit: 50 } } } })
    expect(whole.rooms.join[room].state.events).toEqual([])
    expect(whole.rooms.join[room].timeline.limited).toBe(false)
    expect(whole.rooms.join[room].timeline.events).toHaveLength(9)
  })

  it('what happens after a token is told once, in order', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    await h.say(alice, room, 'first')
    await h.state(alice, room, 'm.room.topic', { topic: 'T' })
    await h.say(alice, room, 'second')
    const body = await h.sync(alice, { since: next_batch })
    const joined = body.rooms.join[room]
    expect(shown(joined.timeline.events)).toEqual(['first', 'm.room.topic', 'second'])
    expect(joined.timeline.limited).toBe(false)
    expect(joined.state.events).toEqual([])
    const after = await h.sync(alice, { since: body.next_batch })
    expect(after.rooms).toBeUndefined()
  })

  it('in a gap the state is the one at the start of the timeline', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    await h.state(alice, room, 'm.room.topic', { topic: 'early' })
    for (let index = 0; index < 4; index++) await h.say(alice, room, `m${index}`)
    await h.state(alice, room, 'm.room.topic', { topic: 'late' })
    const filter = { room: { timeline: { limit: 3 } } }
    const { timeline, state } = (await h.sync(alice, { since: next_batch, filter })).rooms.join[room]
    expect(timeline.limited).toBe(true)
    expect(shown(timeline.events)).toEqual(['m2', 'm3', 'm.room.topic'])
    expect(state.events.map((event: Body) => event.content)).toEqual([{ topic: 'early' }])
  })

  it('state_after is the state at the end, under the name that was asked for, even when it is empty', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    await h.state(alice, room, 'm.room.topic', { topic: 'early' })
    await h.say(alice, room, 'm')
    await h.state(alice, room, 'm.room.topic', { topic: 'late' })
    const stable = (await h.sync(alice, { since: next_batch, use_state_after: true })).rooms.join[room]
    expect(stable.state).toBeUndefined()
    expect(stable.state_after.events.map((event: Body) => event.content)).toEqual([{ topic: 'late' }])
    const answer = await alice.get(`/sync?since=${next_batch}&org.matrix.msc4222.use_state_after=true`)
    const unstable = answer.body.rooms.join[room]
    expect(unstable.state_after).toBeUndefined()
    expect(unstable['org.matrix.msc4222.state_after'].events).toHaveLength(1)
    const { next_batch: later } = await h.sync(alice)
    await h.say(alice, room, 'n')
    const quiet = (await h.sync(alice, { since: later, use_state_after: true })).rooms.join[room]
    expect(quiet.state_after).toEqual({ events: [] })
  })

  it('state that a filter keeps out of the timeline comes as state', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    await h.state(alice, room, 'm.room.topic', { topic: 'T' })
    await h.say(alice, room, 'm')
    const filter = { room: { timeline: { types: ['m.room.message'] } } }
    const joined = (await h.sync(alice, { since: next_batch, filter })).rooms.join[room]
    expect(shown(joined.timeline.events)).toEqual(['m'])
    expect(joined.state.events.map((event: Body) => event.content)).toEqual([{ topic: 'T' }])
  })

  it('a room joined since the token comes like in an initial sync', async () => {
    const room = await h.room(alice, { name: 'New' })
    for (let index = 0; index < 12; index++) await h.say(alice, room, `m${index}`)
    const { next_batch } = await h.sync(bob)
    await h.join(room, bob)
    const body = await h.sync(bob, { since: next_batch })
    const joined = body.rooms.join[room]
    expect(joined.timeline.limited).toBe(true)
    expect(joined.timeline.events).toHaveLength(10)
    expect(keysOf(joined.state.events)).toContain('m.room.create')
    expect(joined.summary['m.joined_member_count']).toBe(2)
    expect(body.device_lists.changed).toContain(alice.userId)
    expect((await h.sync(bob, { since: body.next_batch })).rooms).toBeUndefined()
  })

  it('full_state gives all state and only the new part of the timeline', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    await h.say(alice, room, 'only')
    const joined = (await h.sync(alice, { since: next_batch, full_state: true, timeout: 10_000 })).rooms.join[room]
    expect(shown(joined.timeline.events)).toEqual(['only'])
    expect(keysOf(joined.state.events)).toContain('m.room.create')
  })

  it('current state that was set while the user could not look is shown when they join', async () => {
    const room = await h.room(alice, { visibility: 'joined' })
    await h.state(alice, room, 'm.room.topic', { topic: 'secret no more' })
    await h.say(alice, room, 'hidden')
    const { next_batch } = await h.sync(bob)
    await h.join(room, bob)
    const joined = (await h.sync(bob, { since: next_batch })).rooms.join[room]
    const all = [...joined.state.events, ...joined.timeline.events]
    expect(shown(all)).toContain('m.room.topic')
    expect(shown(all)).not.toContain('hidden')
  })

  it('events of ignored users are left out, but for state, and so are their invites', async () => {
    const carol = await h.user('carol')
    const room = await h.room(alice)
    await h.join(room, carol)
    await alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, {
      ignored_users: { [carol.userId]: {} },
    })
    const { next_batch } = await h.sync(alice)
    await h.say(carol, room, 'noise')
    await h.state(carol, room, 'm.room.topic', { topic: 'kept' })
    const other = await h.room(carol)
    await h.member(carol, other, 'invite', alice)
    const body = await h.sync(alice, { since: next_batch })
    expect(shown(body.rooms.join[room].timeline.events)).toEqual(['m.room.topic'])
    expect(body.rooms.invite).toBeUndefined()
  })

  it('heroes are named while a room has no name, and the summary comes when members change', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    const initial = (await h.sync(alice)).rooms.join[room]
    expect(initial.summary).toEqual({
      'm.heroes': [bob.userId],
      'm.joined_member_count': 2,
      'm.invited_member_count': 0,
    })
    const { next_batch } = await h.sync(alice)
    await h.say(alice, room, 'x')
    const quiet = await h.sync(alice, { since: next_batch })
    expect(quiet.rooms.join[room].summary).toBeUndefined()
    await h.member(bob, room, 'leave')
    const changed = await h.sync(alice, { since: quiet.next_batch })
    expect(changed.rooms.join[room].summary['m.joined_member_count']).toBe(1)
  })

  it('filters choose rooms, event types, fields and the federation format', async () => {
    const room = await h.room(alice)
    const other = await h.room(alice)
    await h.say(alice, room, 'hello')
    const some = await h.sync(alice, { filter: { room: { rooms: [room, other], not_rooms: [other] } } })
    expect(Object.keys(some.rooms.join)).toEqual([room])
    const none = await h.sync(alice, { filter: { room: { rooms: [] } } })
    expect(none.rooms).toBeUndefined()
    const globbed = await h.sync(alice, {
      filter: { room: { rooms: [room], state: { types: ['m.room.c*'] }, timeline: { limit: 1 } } },
    })
    expect(keysOf(globbed.rooms.join[room].state.events)).toEqual(['m.room.create'])
    const fields = await h.sync(alice, {
      filter: { event_fields: ['content.body'], room: { rooms: [room], timeline: { limit: 1 } } },
    })
    expect(fields.rooms.join[room].timeline.events).toEqual([{ content: { body: 'hello' } }])
    const raw = await h.sync(alice, {
      filter: { event_format: 'federation', room: { rooms: [room], timeline: { limit: 1 } } },
    })
    expect(raw.rooms.join[room].timeline.events[0]).toMatchObject({
      auth_events: expect.any(Array),
      event_id: expect.any(String),
      room_id: room,
    })
  })

  it('the sending device sees its transaction id', async () => {
    const room = await h.room(alice)
    const sender = alice.userId as never
    await h.rooms.send({
      roomId: room,
      sender,
      type: 'm.room.message',
      content: { body: 'mine' },
      transaction: { userId: sender, deviceId: alice.deviceId, path: '/send', txnId: 'txn1' },
    })
    const filter = { room: { rooms: [room], timeline: { limit: 1 } } }
    const own = (await h.sync(alice, { filter })).rooms.join[room]
    expect(own.timeline.events[0].unsigned.transaction_id).toBe('txn1')
    const elsewhere = await h.server.login(alice.userId)
    const others = (await h.sync(elsewhere, { filter })).rooms.join[room]
    expect(others.timeline.events[0].unsigned.transaction_id).toBeUndefined()
  })

  it('a name in the timeline is a name: no heroes', async () => {
    const room = await h.room(alice, { name: 'Named' })
    await h.join(room, bob)
    const { summary } = (await h.sync(alice, { filter: { room: { rooms: [room] } } })).rooms.join[room]
    expect(summary).toEqual({ 'm.joined_member_count': 2, 'm.invited_member_count': 0 })
  })

  it('a room of which the filter leaves nothing is not in the answer', async () => {
    const room = await h.room(alice)
    const filter = { room: { rooms: [room], timeline: { types: [] }, state: { types: ['org.example'] } } }
    const { next_batch } = await h.sync(alice, { filter })
    const content = { membership: 'join', displayname: 'Other' }
    await h.state(alice, room, 'm.room.member', content, alice.userId)
    expect((await h.sync(alice, { since: next_batch, filter })).rooms).toBeUndefined()
  })

  it('who comes back to a private room finds what still holds behind all that they may not see', async () => {
    const carol = await h.user('carol')
    const room = await h.room(alice, { visibility: 'joined' })
    await h.join(room, carol)
    const { next_batch } = await h.sync(carol)
    await h.member(carol, room, 'leave')
    await h.join(room, bob)
    for (let index = 0; index < 30; index++) await h.say(alice, room, `hidden ${index}`)
    await h.join(room, carol)
    const { timeline } = (await h.sync(carol, { since: next_batch })).rooms.join[room]
    expect(timeline.events.map(({ state_key }: Body) => state_key)).toContain(bob.userId)
    expect(shown(timeline.events).some((body) => body.startsWith('hidden'))).toBe(false)
  })
})
