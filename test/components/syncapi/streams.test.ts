import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestUser } from '../../support/server.js'
import { type Body, SyncHarness } from './support.js'

let h: SyncHarness
let alice: TestUser
let bob: TestUser

beforeAll(async () => {
  h = await SyncHarness.start()
  alice = await h.user('alice')
  bob = await h.user('bob')
})
afterAll(() => h.server.stop())

describe('account data', () => {
  it('global data and push rules come at first and when they change', async () => {
    const carol = await h.user('carol')
    await carol.put(`/user/${carol.userId}/account_data/org.example.thing`, { n: 1 })
    const initial = await h.sync(carol)
    expect(initial.account_data.events.map(({ type }: Body) => type).sort()).toEqual([
      'm.push_rules',
      'org.example.thing',
    ])
    const quiet = await h.sync(carol, { since: initial.next_batch })
    expect(quiet.account_data).toBeUndefined()
    await carol.put('/pushrules/global/override/.m.rule.master/enabled', { enabled: true })
    const rules = await h.sync(carol, { since: quiet.next_batch })
    expect(rules.account_data.events.map(({ type }: Body) => type)).toEqual(['m.push_rules'])
    const none = await h.sync(carol, { since: quiet.next_batch, filter: { account_data: { types: [] } } })
    expect(none.account_data).toBeUndefined()
  })

  it('room data and tags come with their room, all of them when it is new', async () => {
    const room = await h.room(alice)
    const initial = await h.sync(alice)
    await alice.put(`/user/${alice.userId}/rooms/${room}/tags/m.favourite`, { order: 0.5 })
    const body = await h.sync(alice, { since: initial.next_batch })
    expect(body.rooms.join[room].account_data.events).toEqual([
      { type: 'm.tag', content: { tags: { 'm.favourite': { order: 0.5 } } } },
    ])
    expect(body.rooms.join[room].timeline.events).toEqual([])
    await h.join(room, bob)
    await h.member(alice, room, 'leave')
    const left = await h.sync(alice, { since: body.next_batch })
    await h.join(room, alice)
    const again = await h.sync(alice, { since: left.next_batch })
    expect(again.rooms.join[room].account_data.events).toHaveLength(1)
  })
})

describe('ephemeral events', () => {
  it('typing and receipts come, in first and later answers', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    const said = await h.say(alice, room, 'x')
    const { next_batch } = await h.sync(alice)
    expect((await bob.put(`/rooms/${room}/typing/${bob.userId}`, { typing: true, timeout: 20_000 })).status).toBe(200)
    expect((await bob.post(`/rooms/${room}/receipt/m.read/${said}`, {})).status).toBe(200)
    for (const since of [undefined, next_batch]) {
      const { events } = (await h.sync(alice, { since })).rooms.join[room].ephemeral
      expect(events).toContainEqual({ type: 'm.typing', content: { user_ids: [bob.userId] } })
      const receipt = events.find((event: Body) => event.type === 'm.receipt')
      expect(receipt.content[said]['m.read'][bob.userId].ts).toBeGreaterThan(0)
    }
    const after = await h.sync(alice)
    await bob.put(`/rooms/${room}/typing/${bob.userId}`, { typing: false })
    const stopped = await h.sync(alice, { since: after.next_batch })
    expect(stopped.rooms.join[room].ephemeral.events).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
  })

  it('private receipts reach their owner alone, and unread counts go with them', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    const { next_batch } = await h.sync(bob)
    const said = await h.say(alice, room, 'x')
    const unread = await h.sync(bob, { since: next_batch })
    expect(unread.rooms.join[room].unread_notifications.notification_count).toBe(1)
    const alicesToken = (await h.sync(alice)).next_batch
    await bob.post(`/rooms/${room}/receipt/m.read.private/${said}`, {})
    const read = await h.sync(bob, { since: unread.next_batch })
    expect(read.rooms.join[room].unread_notifications.notification_count).toBe(0)
    expect(read.rooms.join[room].ephemeral.events[0].content[said]['m.read.private']).toHaveProperty(bob.userId)
    const others = await h.sync(alice, { since: alicesToken })
    expect(others.rooms?.join?.[room]).toBeUndefined()
  })

  it('counts of threads are told apart when asked', async () => {
    const room = await h.room(alice)
    await h.join(room, bob)
    const root = await h.say(alice, room, 'root')
    await h.event(alice, room, 'm.room.message', {
      msgtype: 'm.text',
      body: 'in the thread',
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
    })
    const whole = (await h.sync(bob)).rooms.join[room]
    expect(whole.unread_notifications.notification_count).toBe(2)
    expect(whole.unread_thread_notifications).toBeUndefined()
    const filter = { room: { timeline: { unread_thread_notifications: true } } }
    const apart = (await h.sync(bob, { filter })).rooms.join[room]
    expect(apart.unread_notifications.notification_count).toBe(1)
    expect(apart.unread_thread_notifications).toEqual({ [root]: { notification_count: 1, highlight_count: 0 } })
  })
})

describe('presence', () => {
  it('of people in common rooms, changed or new, and the own one', async () => {
    const dora = await h.user('dora')
    const room = await h.room(alice)
    const initial = await h.sync(alice)
    expect(initial.presence.events.map(({ sender }: Body) => sender)).toContain(alice.userId)
    await dora.put(`/presence/${dora.userId}/status`, { presence: 'online', status_msg: 'hi' })
    const unknown = await h.sync(alice, { since: initial.next_batch })
    expect((unknown.presence?.events ?? []).map(({ sender }: Body) => sender)).not.toContain(dora.userId)
    await h.join(room, dora)
    const met = await h.sync(alice, { since: unknown.next_batch })
    const seen = met.presence.events.find(({ sender }: Body) => sender === dora.userId)
    expect(seen).toMatchObject({ type: 'm.presence', content: { presence: 'online', status_msg: 'hi' } })
    await dora.put(`/presence/${dora.userId}/status`, { presence: 'unavailable' })
    const changed = await h.sync(alice, { since: met.next_batch })
    expect(changed.presence.events.find(({ sender }: Body) => sender === dora.userId).content.presence).toBe(
      'unavailable',
    )
    const filter = { presence: { types: [] } }
    expect((await h.sync(alice, { since: met.next_batch, filter })).presence).toBeUndefined()
  })
})

describe('to-device messages', () => {
  it('stay until the next token comes back, at most a hundred at a time, in order', async () => {
    const eve = await h.user('eve')
    const { next_batch } = await h.sync(eve)
    for (let index = 0; index < 105; index++) {
      const messages = { [eve.userId]: { [eve.deviceId]: { n: index } } }
      await alice.put(`/sendToDevice/m.test/t${index}`, { messages })
    }
    const first = await h.sync(eve, { since: next_batch })
    expect(first.to_device.events.map(({ content }: Body) => content.n)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    )
    expect(first.to_device.events[0]).toEqual({ sender: alice.userId, type: 'm.test', content: { n: 0 } })
    const retried = await h.sync(eve, { since: next_batch })
    expect(retried.to_device.events).toHaveLength(100)
    const rest = await h.sync(eve, { since: first.next_batch })
    expect(rest.to_device.events.map(({ content }: Body) => content.n)).toEqual([100, 101, 102, 103, 104])
    expect((await h.sync(eve, { since: rest.next_batch })).to_device).toBeUndefined()
  })

  it('an initial sync with more of them than fit goes on from there and loses nothing', async () => {
    const fay = await h.user('fay')
    for (let index = 0; index < 101; index++) {
      await alice.put(`/sendToDevice/m.test/i${index}`, { messages: { [fay.userId]: { '*': { n: index } } } })
    }
    const room = await h.room(alice)
    await h.join(room, fay)
    const first = await h.sync(fay)
    expect(first.to_device.events).toHaveLength(100)
    expect(first.rooms).toBeUndefined()
    const second = await h.sync(fay, { since: first.next_batch })
    expect(second.to_device.events).toHaveLength(1)
    expect(second.rooms.join[room].timeline.events.length).toBeGreaterThan(0)
  })
})

describe('device lists and key counts', () => {
  const deviceKeys = (user: TestUser, key: string) => ({
    device_keys: {
      user_id: user.userId,
      device_id: user.deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2'],
      keys: { [`ed25519:${user.deviceId}`]: key },
      signatures: {},
    },
  })
  const KEY = 'c3op6BJi8aUnDGA541Q6TbTPmbiy1GqGv+zzXDQM9Us'

  it('changes of people in common rooms and of oneself are told, those of strangers are not', async () => {
    const [gus, ida, joe] = [await h.user('gus'), await h.user('ida'), await h.user('joe')]
    const room = await h.room(gus)
    await h.join(room, ida)
    const { next_batch } = await h.sync(gus)
    for (const user of [gus, ida, joe]) {
      expect((await user.post('/keys/upload', deviceKeys(user, KEY))).status).toBe(200)
    }
    const body = await h.sync(gus, { since: next_batch })
    expect(body.device_lists.changed.sort()).toEqual([gus.userId, ida.userId].sort())
    const changes = await gus.get(`/keys/changes?from=${next_batch}&to=${body.next_batch}`)
    expect(changes.body.changed.sort()).toEqual([gus.userId, ida.userId].sort())
    expect((await h.sync(gus, { since: body.next_batch })).device_lists).toBeUndefined()
    await h.join(room, joe)
    const met = await h.sync(gus, { since: body.next_batch })
    expect(met.device_lists.changed).toEqual([joe.userId])
    await h.member(joe, room, 'leave')
    const gone = await h.sync(gus, { since: met.next_batch })
    expect(gone.device_lists).toEqual({ changed: [], left: [joe.userId] })
    const left = await gus.get(`/keys/changes?from=${met.next_batch}&to=${gone.next_batch}`)
    expect(left.body.left).toEqual([joe.userId])
  })

  it('who shares no encrypted room any more has left, whatever else is shared', async () => {
    const [kim, leo] = [await h.user('kim'), await h.user('leo')]
    const secret = await h.room(kim, { state: [['m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }]] })
    const open = await h.room(kim)
    await h.join(secret, leo)
    await h.join(open, leo)
    const { next_batch } = await h.sync(kim)
    await h.member(leo, secret, 'leave')
    const body = await h.sync(kim, { since: next_batch })
    expect(body.device_lists.left).toEqual([leo.userId])
  })

  it('a change of name is no change of devices', async () => {
    const [max, nia] = [await h.user('max'), await h.user('nia')]
    const room = await h.room(max)
    await h.join(room, nia)
    const { next_batch } = await h.sync(max)
    await h.state(nia, room, 'm.room.member', { membership: 'join', displayname: 'N' }, nia.userId)
    expect((await h.sync(max, { since: next_batch })).device_lists).toBeUndefined()
  })

  it('key counts are in every answer', async () => {
    const body = await h.sync(alice, { since: (await h.sync(alice)).next_batch })
    expect(body.device_one_time_keys_count).toBeDefined()
    expect(body.device_unused_fallback_key_types).toEqual([])
  })
})
