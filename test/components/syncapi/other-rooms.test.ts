import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestUser } from '../../support/server.js'
import { type Body, idOf, keysOf, SyncHarness, shown } from './support.js'

let h: SyncHarness
let alice: TestUser
let bob: TestUser
const withLeft = { room: { include_leave: true } }

beforeAll(async () => {
  h = await SyncHarness.start()
  alice = await h.user('alice')
})
afterAll(() => h.server.stop())

describe('rooms that were left', () => {
  it('a room left since the token ends with the leave', async () => {
    bob = await h.user('bob')
    const room = await h.room(alice)
    await h.join(room, bob)
    const { next_batch } = await h.sync(bob)
    await h.say(alice, room, 'before')
    await h.member(bob, room, 'leave')
    await h.say(alice, room, 'after')
    const body = await h.sync(bob, { since: next_batch })
    expect(body.rooms.join).toBeUndefined()
    expect(shown(body.rooms.leave[room].timeline.events)).toEqual(['before', 'm.room.member'])
    expect(body.rooms.leave[room].state.events).toEqual([])
    expect(body.device_lists.left).toContain(alice.userId)
    const later = await h.sync(bob, { since: body.next_batch, filter: withLeft })
    expect(later.rooms).toBeUndefined()
    const changes = await bob.get(`/keys/changes?from=${next_batch}&to=${body.next_batch}`)
    expect(changes.body.left).toContain(alice.userId)
  })

  it('initial syncs have them only when asked, up to the leave, and never forgotten ones', async () => {
    bob = await h.user('bob')
    const room = await h.room(alice, { name: 'old name' })
    const forgotten = await h.room(alice)
    await h.join(room, bob)
    await h.join(forgotten, bob)
    await h.member(bob, room, 'leave')
    await h.member(bob, forgotten, 'leave')
    await h.rooms.forget(forgotten, idOf(bob))
    await h.state(alice, room, 'm.room.name', { name: 'new name' })
    expect((await h.sync(bob)).rooms).toBeUndefined()
    const body = await h.sync(bob, { filter: { room: { include_leave: true, timeline: { limit: 1 } } } })
    expect(Object.keys(body.rooms.leave)).toEqual([room])
    const { state, timeline } = body.rooms.leave[room]
    expect(shown(timeline.events)).toEqual(['m.room.member'])
    expect(state.events.find((event: Body) => event.type === 'm.room.name').content.name).toBe('old name')
  })

  it('joined and left between two syncs: the state that was there is told', async () => {
    bob = await h.user('bob')
    const room = await h.room(alice)
    const { next_batch } = await h.sync(bob)
    await h.join(room, bob)
    await h.member(bob, room, 'leave')
    const filter = { room: { timeline: { types: [] } } }
    const left = (await h.sync(bob, { since: next_batch, filter })).rooms.leave[room]
    expect(keysOf(left.state.events)).toContain('m.room.create')
  })

  it('leaving and joining again between two syncs is told as a new room', async () => {
    bob = await h.user('bob')
    const room = await h.room(alice)
    await h.join(room, bob)
    const { next_batch } = await h.sync(bob)
    await h.member(bob, room, 'leave')
    await h.join(room, bob)
    const body = await h.sync(bob, { since: next_batch, filter: { room: { timeline: { limit: 2 } } } })
    expect(body.rooms.leave).toBeUndefined()
    expect(keysOf(body.rooms.join[room].state.events)).toContain('m.room.create')
  })

  it('a ban and a kick show in the leave section', async () => {
    bob = await h.user('bob')
    const [banned, kicked] = [await h.room(alice), await h.room(alice)]
    await h.join(banned, bob)
    await h.join(kicked, bob)
    const { next_batch } = await h.sync(bob)
    await h.member(alice, banned, 'ban', bob)
    await h.member(alice, kicked, 'leave', bob)
    const { leave } = (await h.sync(bob, { since: next_batch })).rooms
    expect(leave[banned].timeline.events.at(-1).content.membership).toBe('ban')
    expect(leave[kicked].timeline.events.at(-1).sender).toBe(alice.userId)
  })
})

describe('invites and knocks', () => {
  it('an invite has stripped state, is told once, and rejecting it shows no more than that', async () => {
    bob = await h.user('bob')
    const { next_batch } = await h.sync(bob)
    const room = await h.room(alice, { name: 'Club', visibility: 'joined' })
    await h.say(alice, room, 'secret')
    await h.member(alice, room, 'invite', bob)
    const body = await h.sync(bob, { since: next_batch })
    const events = body.rooms.invite[room].invite_state.events
    expect(events.find((event: Body) => event.type === 'm.room.name').content.name).toBe('Club')
    expect(events.find((event: Body) => event.state_key === bob.userId)).toMatchObject({
      sender: alice.userId,
      state_key: bob.userId,
      content: { membership: 'invite' },
    })
    expect((await h.sync(bob)).rooms.invite[room]).toBeDefined()
    expect((await h.sync(bob, { since: body.next_batch })).rooms).toBeUndefined()
    await h.member(bob, room, 'leave')
    const rejected = await h.sync(bob, { since: body.next_batch })
    const left = rejected.rooms.leave[room]
    expect(left.timeline.events.map((event: Body) => event.content)).toEqual([{ membership: 'leave' }])
    expect(left.state.events).toEqual([])
    expect(rejected.device_lists).toBeUndefined()
  })

  it('who blocks invites is shown none', async () => {
    bob = await h.user('bob')
    await bob.put(`/user/${bob.userId}/account_data/m.invite_permission_config`, { default_action: 'block' })
    const room = await h.room(alice)
    await h.member(alice, room, 'invite', bob).catch(() => undefined)
    expect((await h.sync(bob)).rooms).toBeUndefined()
  })

  it('a knock shows in its own section', async () => {
    bob = await h.user('bob')
    const room = await h.room(alice)
    await h.state(alice, room, 'm.room.join_rules', { join_rule: 'knock' })
    const { next_batch } = await h.sync(bob)
    await h.member(bob, room, 'knock')
    const body = await h.sync(bob, { since: next_batch })
    expect(Array.isArray(body.rooms.knock[room].knock_state.events)).toBe(true)
  })
})
