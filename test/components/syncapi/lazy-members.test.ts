import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoomId } from '../../../src/protocol/ids.js'
import type { TestUser } from '../../support/server.js'
import { type Body, SyncHarness } from './support.js'

let h: SyncHarness
let alice: TestUser
let bob: TestUser
let carol: TestUser
let room: RoomId
const lazy = { room: { state: { lazy_load_members: true }, timeline: { limit: 5 } } }
const redundant = { room: { state: { lazy_load_members: true, include_redundant_members: true } } }

beforeAll(async () => {
  h = await SyncHarness.start()
})
afterAll(() => h.server.stop())

async function threeInARoom(name?: string): Promise<void> {
  alice = await h.user('alice')
  bob = await h.user('bob')
  carol = await h.user('carol')
  room = await h.room(alice, name === undefined ? {} : { name })
  await h.join(room, bob, carol)
}

function members(body: Body): string[] {
  const events = body.rooms.join[room].state.events
  return events.filter((event: Body) => event.type === 'm.room.member').map((event: Body) => event.state_key)
}

async function say(user: TestUser, times: number): Promise<void> {
  for (let index = 0; index < times; index++) await h.say(user, room, `m${index}`)
}

it('an initial sync has the members who speak, and the user', async () => {
  await threeInARoom('named')
  await say(bob, 5)
  const body = await h.sync(alice, { filter: lazy })
  expect(members(body).sort()).toEqual([alice.userId, bob.userId].sort())
  expect(body.rooms.join[room].state.events.some((event: Body) => event.type === 'm.room.create')).toBe(true)
})

it('heroes of a room without a name come with their membership', async () => {
  await threeInARoom()
  await say(alice, 5)
  expect(members(await h.sync(alice, { filter: lazy })).sort()).toEqual([alice.userId, bob.userId, carol.userId].sort())
})

it('a member is sent once, unless redundant ones are asked for', async () => {
  await threeInARoom('named')
  await say(alice, 5)
  const first = await h.sync(alice, { filter: lazy })
  await say(carol, 1)
  const second = await h.sync(alice, { filter: lazy, since: first.next_batch })
  expect(members(second)).toEqual([carol.userId])
  await say(carol, 1)
  expect(members(await h.sync(alice, { filter: lazy, since: second.next_batch }))).toEqual([])
  expect(members(await h.sync(alice, { filter: redundant, since: second.next_batch }))).toEqual([carol.userId])
})

it('an answer that may have been lost is not counted on: the same token gets the member again', async () => {
  await threeInARoom('named')
  await say(alice, 5)
  const first = await h.sync(alice, { filter: lazy })
  await say(carol, 1)
  expect(members(await h.sync(alice, { filter: lazy, since: first.next_batch }))).toEqual([carol.userId])
  expect(members(await h.sync(alice, { filter: lazy, since: first.next_batch }))).toEqual([carol.userId])
})

it('memberships of a gap are told, known or not', async () => {
  await threeInARoom('named')
  await say(carol, 1)
  await say(bob, 4)
  const first = await h.sync(alice, { filter: lazy })
  await h.member(carol, room, 'leave')
  await say(bob, 6)
  const body = await h.sync(alice, { filter: lazy, since: first.next_batch })
  expect(body.rooms.join[room].timeline.limited).toBe(true)
  expect(members(body)).toEqual([carol.userId])
})

it('with state_after the senders come as well', async () => {
  await threeInARoom('named')
  await say(alice, 5)
  const first = await h.sync(alice, { filter: lazy, use_state_after: true })
  await say(bob, 1)
  const body = await h.sync(alice, { filter: lazy, since: first.next_batch, use_state_after: true })
  const told = body.rooms.join[room].state_after.events.map((event: Body) => event.state_key)
  expect(told).toEqual([bob.userId])
})
