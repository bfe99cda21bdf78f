import { performance } from 'node:perf_hooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestUser } from '../../support/server.js'
import { type Body, SyncHarness, shown } from './support.js'

let h: SyncHarness
let alice: TestUser
let bob: TestUser
const LONG = 20_000

beforeAll(async () => {
  h = await SyncHarness.start()
  alice = await h.user('alice')
  bob = await h.user('bob')
})
afterAll(() => h.server.stop())

/** Starts a long poll and runs `action` once it is waiting: no statement has been sent for a moment. */
async function whileWaiting(user: TestUser, since: string, action: () => Promise<unknown>, filter?: object) {
  const poll = h.sync(user, { since, timeout: LONG, ...(filter === undefined ? {} : { filter }) })
  await h.server.settle()
  await action()
  return poll
}

describe('long polls', () => {
  it('are woken by everything that concerns the user', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    let { next_batch: since } = await h.sync(bob)
    const step = async (action: () => Promise<unknown>, seen: (body: Body) => unknown) => {
      const body = await whileWaiting(bob, since, action)
      expect(seen(body)).toBeTruthy()
      since = body.next_batch
    }
    await step(
      () => h.say(alice, room, 'wake up'),
      (body) => body.rooms.join[room].timeline.events.length === 1,
    )
    await step(
      () => alice.put(`/rooms/${room}/typing/${alice.userId}`, { typing: true, timeout: LONG }),
      (body) => body.rooms.join[room].ephemeral.events.length === 1,
    )
    const other = await h.room(alice)
    await step(
      () => h.member(alice, other, 'invite', bob),
      (body) => body.rooms.invite[other],
    )
    await step(
      () => h.join(other, bob),
      (body) => body.rooms.join[other].state,
    )
    await step(
      () => h.say(alice, other, 'in the new room'),
      (body) => body.rooms.join[other].timeline.events.length === 1,
    )
    await step(
      () => alice.put('/sendToDevice/m.test/wake', { messages: { [bob.userId]: { '*': {} } } }),
      (body) => body.to_device.events.length === 1,
    )
    await step(
      () => bob.put(`/user/${bob.userId}/account_data/a.b`, {}),
      (body) => body.account_data.events.length === 1,
    )
    await step(
      () => alice.put(`/presence/${alice.userId}/status`, { presence: 'unavailable', status_msg: 'z' }),
      (body) => body.presence.events.length === 1,
    )
    await step(
      () => h.member(bob, other, 'leave'),
      (body) => body.rooms.leave[other],
    )
  })

  it('a change that the filter leaves out does not end them', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    const filter = { room: { rooms: [room] }, presence: { types: [] } }
    const body = await whileWaiting(
      alice,
      next_batch,
      async () => {
        await alice.put(`/user/${alice.userId}/rooms/!other:test.example/account_data/a.b`, {})
        await h.room(alice)
        await h.server.settle()
        await h.say(alice, room, 'this one')
      },
      filter,
    )
    expect(shown(body.rooms.join[room].timeline.events)).toEqual(['this one'])
  })

  it('end empty when their time is up, with a token that goes on', async () => {
    const { next_batch } = await h.sync(alice)
    const body = await h.sync(alice, { since: next_batch, timeout: 60 })
    expect(body.rooms).toBeUndefined()
    expect(body.next_batch).toMatch(/^s\d+$/)
  })

  it('everybody who polls gets each of many concurrent messages once, in one order', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    const follow = async (user: TestUser, since: string): Promise<string[]> => {
      const seen: string[] = []
      while (seen.length < 60) {
        const body = await h.sync(user, {
          since,
          timeout: LONG,
          filter: { room: { rooms: [room], timeline: { limit: 100 } } },
        })
        seen.push(...shown(body.rooms?.join?.[room]?.timeline.events ?? []))
        since = body.next_batch
      }
      return seen
    }
    const tokens = await Promise.all([h.sync(alice), h.sync(bob)])
    const followers = [follow(alice, tokens[0].next_batch), follow(bob, tokens[1].next_batch)]
    await Promise.all(Array.from({ length: 60 }, (_, index) => h.say(index % 2 ? alice : bob, room, `m${index}`)))
    const [first, second] = await Promise.all(followers)
    expect(new Set(first).size).toBe(60)
    expect(first).toEqual(second)
  })

  it('what one has written is in the next answer', async () => {
    const room = await h.room(alice)
    for (let index = 0; index < 20; index++) {
      const body = h.say(alice, room, `own${index}`).then(() => h.sync(alice, { filter: { room: { rooms: [room] } } }))
      expect(shown((await body).rooms.join[room].timeline.events).at(-1)).toBe(`own${index}`)
    }
  })

  it('1,000 polls of one user, woken by one event, do not hold up the event loop (F57)', async () => {
    const room = await h.room(alice)
    const { next_batch } = await h.sync(alice)
    const filter = { room: { rooms: [room] }, presence: { types: [] } }
    const polls = Array.from({ length: 1_000 }, () => h.sync(alice, { since: next_batch, timeout: LONG, filter }))
    await h.server.settle()
    let longest = 0
    let last = performance.now()
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last - 1)
      last = performance.now()
    }, 1)
    const since = performance.now()
    await h.say(alice, room, 'to all')
    for (const body of await Promise.all(polls)) {
      expect(shown(body.rooms.join[room].timeline.events)).toEqual(['to all'])
    }
    clearInterval(ticks)
    // Answered in slices, not in one go. (The clients of the test run on the same loop.)
    expect(longest).toBeLessThan((performance.now() - since) / 2)
  })
})

describe('tokens', () => {
  it('malformed ones are refused (F56)', async () => {
    for (const since of ['x', 's', 's-1', 's1e3', 's1.5', 't1_1', 's99999999999999999999', `s1'--`, 's1\0']) {
      const answer = await h.trySync(alice, { since })
      expect([since, answer.status, answer.body.errcode]).toEqual([since, 400, 'M_INVALID_PARAM'])
    }
    const changes = await alice.get('/keys/changes?from=x&to=y')
    expect(changes.body.errcode).toBe('M_INVALID_PARAM')
  })

  it("one of Dendrite's and one from the future start anew (F14, F56)", async () => {
    const room = await h.room(alice)
    for (const since of ['s12_3_0_0_5_6_7_0_9', 's9007199254740000']) {
      const body = await h.sync(alice, { since, timeout: 1_000 })
      expect(body.rooms.join[room].timeline.events[0].type).toBe('m.room.create')
      expect(Number(body.next_batch.slice(1))).toBeLessThan(9_007_199_254_740_000)
    }
  })

  it("somebody else's shows only one's own data (F56)", async () => {
    const carol = await h.user('carol')
    const { next_batch } = await h.sync(carol)
    const room = await h.room(carol)
    await h.say(carol, room, 'private')
    const body = await h.sync(bob, { since: next_batch })
    expect(body.rooms?.join?.[room]).toBeUndefined()
  })

  it('bad filters and filter ids are refused', async () => {
    for (const filter of ['{', '{"room":7}', '{"room":{"state":{"lazy_load_members":"true"}}}', 'unknown']) {
      const answer = await h.trySync(alice, { filter })
      expect([filter, answer.status]).toEqual([filter, 400])
    }
    const saved = await alice.post(`/user/${alice.userId}/filter`, { room: { rooms: [] } })
    expect((await h.sync(alice, { filter: saved.body.filter_id })).rooms).toBeUndefined()
  })
})
