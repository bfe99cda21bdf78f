import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoomId } from '../../../src/protocol/ids.js'
import type { TestUser } from '../../support/server.js'
import { type Body, idOf, SyncHarness, type SyncOptions } from './support.js'

/**
 * Clients that know nothing but what `/sync` tells them follow rooms in which everything happens at once; in the end what
 * they believe has to be what is.
 */
let h: SyncHarness

beforeAll(async () => {
  h = await SyncHarness.start()
})
afterAll(() => h.server.stop())

/** Repeatable, so that a failure can be looked at again. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

class ModelClient {
  readonly #user: TestUser
  readonly #options: SyncOptions
  readonly state = new Map<string, Map<string, string>>()
  readonly seen: string[] = []
  #since: string | undefined

  constructor(user: TestUser, options: SyncOptions) {
    this.#user = user
    this.#options = options
  }

  async next(timeout: number): Promise<boolean> {
    const body = await h.sync(this.#user, { ...this.#options, since: this.#since, timeout })
    this.#since = body.next_batch
    const { leave, invite, knock, join } = body.rooms ?? {}
    for (const roomId of Object.keys({ ...leave, ...invite, ...knock })) this.state.delete(roomId)
    for (const [roomId, room] of Object.entries<Body>(join ?? {})) this.#apply(roomId, room)
    return body.rooms !== undefined
  }

  #apply(roomId: string, room: Body): void {
    const known = this.state.get(roomId) ?? new Map<string, string>()
    this.state.set(roomId, known)
    const told = room.state_after?.events ?? [...room.state.events, ...room.timeline.events]
    for (const event of told) {
      if (event.state_key !== undefined) known.set(`${event.type}|${event.state_key}`, event.event_id)
    }
    for (const event of room.timeline.events) this.seen.push(event.event_id)
  }
}

async function disturb(random: (below: number) => number, users: TestUser[], rooms: RoomId[]): Promise<void> {
  const [actor, target] = [users[random(users.length)] as TestUser, users[random(users.length)] as TestUser]
  const room = rooms[random(rooms.length)] as RoomId
  const actions = [
    () => h.join(room, actor),
    () => h.join(room, actor),
    () => h.member(actor, room, 'leave'),
    () => h.member(actor, room, 'invite', target),
    () => h.member(actor, room, 'leave', target),
    () => h.member(actor, room, 'ban', target),
    () => h.state(actor, room, 'm.room.topic', { topic: String(random(1_000_000)) }),
    () => h.state(actor, room, 'm.room.member', { membership: 'join', displayname: String(random(99)) }, actor.userId),
    () => h.say(actor, room, 'x'),
    () => h.say(actor, room, 'y'),
  ]
  // Much of it is forbidden, which is as it should be.
  await actions[random(actions.length)]?.().catch(() => undefined)
}

it.each([1, 2, 3])('what clients believe is what is (seed %i)', async (seed) => {
  const random = numbers(seed)
  const users = [await h.user('a'), await h.user('b'), await h.user('c')]
  const [first, second, third] = users as [TestUser, TestUser, TestUser]
  const rooms = [await h.room(first), await h.room(second), await h.room(third)]
  const few = { room: { timeline: { limit: 2 } } }
  const clients = [
    ...users.map((user) => new ModelClient(user, {})),
    ...users.map((user) => new ModelClient(user, { filter: few })),
    ...users.map((user) => new ModelClient(user, { filter: few, use_state_after: true })),
  ]
  let busy = true
  const following = clients.map(async (client) => {
    while (busy) await client.next(random(2) * 20)
    while (await client.next(0));
  })
  for (let round = 0; round < 12; round++) {
    await Promise.all(Array.from({ length: 8 }, () => disturb(random, users, rooms)))
  }
  busy = false
  await Promise.all(following)
  for (const [index, client] of clients.entries()) {
    const user = users[index % users.length] as TestUser
    const memberships = await h.rooms.memberships(idOf(user))
    const joined = rooms.filter((roomId) => memberships.get(roomId)?.membership === 'join')
    expect([...client.state.keys()].sort()).toEqual([...joined].sort())
    for (const [roomId, events] of await h.rooms.currentState(joined)) {
      const truth = events.map(({ type, stateKey, eventId }) => [`${type}|${stateKey}`, eventId])
      expect(Object.fromEntries(client.state.get(roomId) ?? [])).toEqual(Object.fromEntries(truth))
    }
  }
})
