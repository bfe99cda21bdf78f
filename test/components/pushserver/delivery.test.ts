import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/platform/time.js'
import type { RoomId } from '../../../src/protocol/ids.js'
import { adminQuery } from '../../support/postgres.js'
import type { TestUser } from '../../support/server.js'
import { Gateway, PushHarness, pusherTo } from './support.js'

let h: PushHarness
let gateway: Gateway
const time = new FakeClock(Date.now())

beforeAll(async () => {
  h = await PushHarness.start({ time })
})
afterAll(() => h.server.stop())
beforeEach(async () => {
  gateway = await Gateway.start()
})
afterEach(() => gateway.close())

/** Alice, whose events Bob gets pushes of. */
async function pair(more: Parameters<typeof pusherTo>[1] = {}): Promise<[TestUser, TestUser, RoomId]> {
  const [alice, bob] = [await h.user(), await h.user()]
  const room = await h.roomOf(alice, bob)
  await set(bob, more)
  return [alice, bob, room]
}

async function set(user: TestUser, more: Parameters<typeof pusherTo>[1] = {}): Promise<void> {
  expect(await user.post('/pushers/set', pusherTo(gateway, more))).toMatchObject({ status: 200, body: {} })
}

async function pushersOf(user: TestUser): Promise<unknown[]> {
  return (await user.get('/pushers')).body.pushers
}

describe('what gateways are told', () => {
  it('an event, with names, counts, tweaks and the data of the pusher', async () => {
    const [alice, , room] = await pair({ data: { custom: 'value', format: 'other' } })
    await h.state(alice, room, 'm.room.name', { name: 'Mission Control' })
    const eventId = await h.say(alice, room, 'hello')
    expect(await gateway.next()).toEqual({
      event_id: eventId,
      id: eventId,
      room_id: room,
      type: 'm.room.message',
      sender: alice.userId,
      sender_display_name: alice.userId,
      room_name: 'Mission Control',
      content: { msgtype: 'm.text', body: 'hello' },
      prio: 'high',
      counts: { unread: 1 },
      devices: [
        {
          app_id: 'app',
          pushkey: 'key',
          pushkey_ts: Math.floor(time.now() / 1_000),
          data: { custom: 'value', format: 'other' },
          tweaks: { sound: 'default' },
        },
      ],
    })
  })

  it('of event_id_only no more than that', async () => {
    const [alice, , room] = await pair({ data: { format: 'event_id_only' } })
    const eventId = await h.say(alice, room, 'hello')
    const { devices, ...rest } = await gateway.next()
    expect(rest).toEqual({ event_id: eventId, room_id: room, counts: { unread: 1 } })
    expect(devices).toEqual([expect.objectContaining({ pushkey: 'key', data: { format: 'event_id_only' } })])
  })

  it('what does not make a sound can wait; a highlight or an encrypted event cannot', async () => {
    const [alice, bob, room] = await pair()
    await h.join(room, await h.user())
    await h.say(alice, room, 'hello')
    expect(await gateway.next()).toMatchObject({ prio: 'low', devices: [{ tweaks: {} }] })
    await h.event(alice, room, 'm.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2' })
    expect(await gateway.next()).toMatchObject({ prio: 'high', counts: { unread: 2 } })
    const mention = { msgtype: 'm.text', body: 'you', 'm.mentions': { user_ids: [bob.userId] } }
    await h.event(alice, room, 'm.room.message', mention)
    const tweaks = { sound: 'default', highlight: true }
    expect(await gateway.next()).toMatchObject({ prio: 'high', devices: [{ tweaks }] })
  })

  it('an invite, by the name of a room one is not in yet', async () => {
    const [alice, bob] = await pair()
    const room = await h.room(alice)
    const alias = `#r${Date.now()}:test.example`
    await alice.put(`/directory/room/${encodeURIComponent(alias)}`, { room_id: room })
    await h.state(alice, room, 'm.room.canonical_alias', { alias })
    await h.member(alice, room, 'invite', bob)
    const told = { room_id: room, membership: 'invite', user_is_target: true, sender: alice.userId, room_name: alias }
    expect(await gateway.next()).toMatchObject({ type: 'm.room.member', ...told, room_alias: alias })
  })

  it('when something is read, how much is left', async () => {
    const [alice, bob, room] = await pair()
    const first = await h.say(alice, room, 'one')
    await gateway.next()
    const second = await h.say(alice, room, 'two')
    expect(await gateway.next()).toMatchObject({ counts: { unread: 2 } })
    await h.receipt(bob, room, first)
    expect(await gateway.next()).toEqual({
      counts: { unread: 1 },
      prio: 'low',
      devices: [expect.objectContaining({ app_id: 'app', pushkey: 'key' })],
    })
    await h.receipt(bob, room, second)
    expect(await gateway.next()).toMatchObject({ counts: { unread: 0 } })
    await h.receipt(bob, room, second)
    await h.say(alice, room, 'three')
    expect(await gateway.next()).toMatchObject({ type: 'm.room.message', counts: { unread: 1 } })
    await h.say(bob, room, 'I have seen it')
    expect(await gateway.next()).toMatchObject({ counts: { unread: 0 } })
    await h.server.settle()
    expect(gateway.rest()).toEqual([])
  })

  it('nothing of muted rooms, of own events, or by a pusher that is switched off', async () => {
    const [alice, bob, room] = await pair()
    await bob.put(`/pushrules/global/room/${encodeURIComponent(room)}`, { actions: [] })
    await h.say(alice, room, 'muted')
    await bob.delete(`/pushrules/global/room/${encodeURIComponent(room)}`)
    await set(bob, { 'org.matrix.msc3881.enabled': false })
    await h.say(alice, room, 'switched off')
    await set(bob, { 'org.matrix.msc3881.enabled': true })
    await h.say(bob, room, 'my own')
    const heard = await h.say(alice, room, 'heard')
    await h.server.settle()
    const told = gateway.rest().map(({ event_id }) => event_id)
    expect(told.filter((eventId) => eventId !== undefined)).toEqual([heard])
  })
})

describe('when a gateway fails', () => {
  it('it is tried again after 1 s, 2 s, 4 s, in order and not twice', async () => {
    const [alice, bob, room] = await pair()
    gateway.answer = () => ({ status: 502, body: 'no' })
    const first = await h.say(alice, room, 'one')
    await gateway.next()
    await failed(bob, 1)
    const second = await h.say(alice, room, 'two')
    await h.server.settle()
    expect(gateway.rest()).toEqual([])
    for (const [seconds, failures] of [
      [1, 2],
      [2, 3],
    ] as const) {
      time.advance(seconds * 1_000 - 100)
      await h.server.settle()
      expect(gateway.rest()).toEqual([])
      time.advance(200)
      expect(await gateway.next()).toMatchObject({ event_id: first })
      await failed(bob, failures)
    }
    gateway.answer = () => ({})
    time.advance(4_100)
    expect(await gateway.next()).toMatchObject({ event_id: first, counts: { unread: 2 } })
    expect(await gateway.next()).toMatchObject({ event_id: second })
    await failed(bob, 0)
    expect(gateway.rest()).toEqual([])
    // The next failure begins with the shortest pause again.
    gateway.answer = () => ({ status: 500 })
    await h.say(alice, room, 'three')
    await gateway.next()
    await failed(bob, 1)
    time.advance(1_100)
    expect(await gateway.next()).toMatchObject({ counts: { unread: 3 } })
    await failed(bob, 2)
  })

  it('what has been read meanwhile is not sent, and what is older than a day neither', async () => {
    const [alice, bob, room] = await pair()
    gateway.answer = () => ({ status: 503 })
    const read = await h.say(alice, room, 'will be read')
    await gateway.next()
    await failed(bob, 1)
    const old = await h.say(alice, room, 'will be old')
    await h.server.settle()
    await h.receipt(bob, room, read)
    time.advance(25 * 3_600_000)
    await h.server.settle()
    gateway.answer = () => ({})
    const fresh = await h.say(alice, room, 'fresh')
    time.advance(3_700_000)
    while ((await gateway.next()).event_id !== fresh);
    expect(gateway.seen.map(({ event_id }) => event_id)).not.toContain(old)
    await expect.poll(() => owed(bob)).toBe(0)
  })

  it('what is owed is sent after a restart', async () => {
    const [alice, bob, room] = await pair()
    gateway.answer = () => ({ status: 500 })
    const eventId = await h.say(alice, room, 'before')
    await gateway.next()
    await h.server.settle()
    gateway.answer = () => ({})
    await h.server.restart()
    expect(await gateway.next()).toMatchObject({ event_id: eventId })
    await expect.poll(() => owed(bob)).toBe(0)
    expect(gateway.rest()).toEqual([])
  })

  it('a push key that it rejects is gone; the others stay', async () => {
    const [alice, bob, room] = await pair()
    await set(bob, { pushkey: 'other' })
    gateway.answer = ({ devices }) => ({ body: { rejected: devices[0].pushkey === 'key' ? ['key'] : [] } })
    await h.say(alice, room, 'hello')
    await gateway.next()
    await gateway.next()
    await expect.poll(() => pushersOf(bob)).toEqual([expect.objectContaining({ pushkey: 'other' })])
  })

  it('a gateway that hangs keeps nobody else waiting', async () => {
    const { createServer } = await import('node:net')
    const hanging = createServer((socket) => socket.resume())
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const { port } = hanging.address() as { port: number }
    const [alice, bob, room] = await pair()
    await set(bob, { pushkey: 'hangs', data: { url: `http://127.0.0.1:${port}/_matrix/push/v1/notify` } })
    const eventIds = [await h.say(alice, room, 'one'), await h.say(alice, room, 'two')]
    expect([(await gateway.next()).event_id, (await gateway.next()).event_id]).toEqual(eventIds)
    await bob.post('/pushers/set', { kind: null, app_id: 'app', pushkey: 'hangs' })
    await h.server.restart()
    await new Promise((resolve) => hanging.close(resolve))
  })
})

describe('who may be told', () => {
  it('the pusher of a login that has ended is told nothing, even when its end was not noticed', async () => {
    const [alice, bob, room] = await pair()
    const phone = await h.server.login(bob.userId)
    await set(phone, { pushkey: 'phone' })
    const remove = `DELETE FROM userapi.devices WHERE user_id = $1 AND device_id = $2`
    await adminQuery(h.server.connectionString, remove, [bob.userId, phone.deviceId])
    await h.say(alice, room, 'hello')
    expect(await gateway.next()).toMatchObject({ devices: [{ pushkey: 'key' }] })
    await h.server.settle()
    expect(gateway.rest()).toEqual([])
    expect(await pushersOf(bob)).toEqual([expect.objectContaining({ pushkey: 'key' })])
  })
})

/** Ends when the failure before has been stored: only then does time decide. */
async function failed(user: TestUser, times: number): Promise<void> {
  const text = 'SELECT failures FROM pushserver.pushers WHERE user_id = $1'
  await expect
    .poll(async () => (await adminQuery(h.server.connectionString, text, [user.userId]))[0]?.failures)
    .toBe(times)
  await h.server.settle()
}

async function owed(user: TestUser): Promise<number> {
  const text = `SELECT count(*) AS owed FROM pushserver.owed_pushes JOIN pushserver.pushers USING (pusher_id)
    WHERE user_id = $1`
  return Number((await adminQuery(h.server.connectionString, text, [user.userId]))[0]?.owed)
}
