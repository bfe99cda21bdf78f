import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoomId } from '../../../src/protocol/ids.js'
import type { TestUser } from '../../support/server.js'
import { type Body, SyncHarness, shown } from './support.js'

/** Statements that answers cost: counts are exact where times are noisy. */
let h: SyncHarness
let alice: TestUser
let bob: TestUser
const rooms: RoomId[] = []
const ROOMS = 300

beforeAll(async () => {
  h = await SyncHarness.start()
  alice = await h.user('alice')
  bob = await h.user('bob')
  for (let index = 0; index < ROOMS; index++) rooms.push(await h.room(alice))
  await h.join(rooms[0] as RoomId, bob)
}, 60_000)
afterAll(() => h.server.stop())

async function cost(
  user: TestUser,
  options: Parameters<SyncHarness['sync']>[1],
): Promise<{ body: Body; sent: string[] }> {
  let body: Body
  const sent = await h.server.statements(async () => {
    body = await h.sync(user, options)
  })
  return { body, sent }
}

it('nothing new costs no statement', async () => {
  const { next_batch } = await h.sync(alice)
  await h.sync(alice, { since: next_batch })
  const { sent } = await cost(alice, { since: next_batch })
  expect(sent).toEqual([])
})

it('one event in one of many rooms costs at most 8', async () => {
  const { next_batch } = await h.sync(alice)
  await h.sync(alice, { since: next_batch })
  await h.say(bob, rooms[0] as RoomId, 'news')
  const { body, sent } = await cost(alice, { since: next_batch })
  expect(shown(body.rooms.join[rooms[0] as RoomId].timeline.events)).toEqual(['news'])
  expect(Object.keys(body.rooms.join)).toHaveLength(1)
  expect(sent.length, sent.join(' ')).toBeLessThanOrEqual(8)
})

it('the first incremental answer after a restart costs at most 20, and tells what happened before', async () => {
  const { next_batch } = await h.sync(alice)
  await h.say(bob, rooms[0] as RoomId, 'before the restart')
  await h.server.restart()
  const { body, sent } = await cost(alice, { since: next_batch })
  expect(Object.keys(body.rooms.join)).toEqual([rooms[0]])
  expect(shown(body.rooms.join[rooms[0] as RoomId].timeline.events)).toEqual(['before the restart'])
  expect(sent.length, sent.join(' ')).toBeLessThanOrEqual(20)
})

it('an initial sync costs the same for 10 rooms as for 300', async () => {
  const costs: string[][] = []
  for (const count of [10, ROOMS]) {
    await h.server.restart()
    const { body, sent } = await cost(alice, { filter: { room: { rooms: rooms.slice(0, count) } } })
    expect(Object.keys(body.rooms.join)).toHaveLength(count)
    costs.push(sent)
  }
  expect(costs[1]?.length, costs.map((sent) => sent.join(' ')).join('\n')).toBe(costs[0]?.length)
}, 30_000)

it('a new display name does not make a room new, before or after a restart', async () => {
  const room = rooms[1] as RoomId
  const { next_batch } = await h.sync(alice)
  await h.state(alice, room, 'm.room.member', { membership: 'join', displayname: 'Another' }, alice.userId)
  for (const restart of [false, true]) {
    if (restart) await h.server.restart()
    const joined = (await h.sync(alice, { since: next_batch })).rooms.join[room]
    expect(joined.timeline.events).toHaveLength(1)
    expect([joined.timeline.limited, joined.state.events]).toEqual([false, []])
  }
})
