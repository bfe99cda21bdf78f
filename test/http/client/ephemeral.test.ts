import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoomId, UserId } from '../../../src/protocol/ids.js'
import { aRoomId, userId } from '../../support/pdu-factory.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let carol: TestUser
let room: RoomId
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  carol = await server.register('carol')
  room = await makeRoom(alice, bob)
})
afterAll(() => server.stop())

async function makeRoom(creator: TestUser, ...others: TestUser[]): Promise<RoomId> {
  const { roomserver } = server.app.components
  const id = userId(creator.userId)
  const join = { type: 'm.room.member', stateKey: id, sender: id, content: { membership: 'join' } }
  const rules = { type: 'm.room.join_rules', stateKey: '', sender: id, content: { join_rule: 'public' } }
  const { roomId } = await roomserver.createRoom({
    creator: id,
    version: '11',
    creationContent: {},
    events: [join, rules],
  })
  for (const other of others.map((user) => userId(user.userId))) {
    await roomserver.send({ ...join, roomId, sender: other, stateKey: other })
  }
  return roomId
}

async function say(sender: TestUser, roomId = room, content: object = {}): Promise<string> {
  const message = { msgtype: 'm.text', body: 'hello', ...content }
  const draft = { roomId, sender: userId(sender.userId), type: 'm.room.message', content: message }
  return (await server.app.components.roomserver.send(draft)).eventId
}

function receipt(user: TestUser, type: string, eventId: string, body: object = {}, roomId: string = room) {
  return user.post(`/rooms/${encodeURIComponent(roomId)}/receipt/${type}/${encodeURIComponent(eventId)}`, body)
}

async function receiptsOf(user: TestUser, viewer: UserId): Promise<[string, string, string | undefined][]> {
  const { ephemeral, streamClock } = server.app.components
  await streamClock.caughtUp(1_000)
  const all = await ephemeral.receiptsBetween([room], viewer, 0, streamClock.visible)
  return all.filter((found) => found.userId === user.userId).map((found) => [found.type, found.eventId, found.threadId])
}

describe('POST /rooms/{roomId}/receipt', () => {
  it('marks an event as read, and clears the unread count', async () => {
    const event = await say(alice)
    await server.settle()
    const { pushserver } = server.app.components
    expect((await pushserver.unreadCounts(userId(bob.userId), [room])).get(room)?.all.notifications).toBe(1)
    expect(await receipt(bob, 'm.read', event)).toMatchObject({ status: 200, body: {} })
    expect(await receiptsOf(bob, userId(alice.userId))).toEqual([['m.read', event, undefined]])
    expect((await pushserver.unreadCounts(userId(bob.userId), [room])).get(room)?.all.notifications ?? 0).toBe(0)
  })

  it('keeps a private one from others', async () => {
    const event = await say(bob)
    await receipt(alice, 'm.read.private', event)
    expect(await receiptsOf(alice, userId(bob.userId))).toEqual([])
    expect(await receiptsOf(alice, userId(alice.userId))).toEqual([['m.read.private', event, undefined]])
  })

  it('refuses who is not in the room, and events that are not in it', async () => {
    const event = await say(alice)
    expect(await receipt(carol, 'm.read', event)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    const elsewhere = await say(alice, await makeRoom(alice))
    for (const wrong of [elsewhere, '$unknown']) {
      expect(await receipt(alice, 'm.read', wrong)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
    const unknownRoom = await receipt(alice, 'm.read', event, {}, aRoomId('!unknown:test.example'))
    expect(unknownRoom).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })

  it('knows the main timeline and threads', async () => {
    const root = await say(alice)
    const inThread = await say(alice, room, { 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    expect((await receipt(bob, 'm.read', inThread, { thread_id: root })).status).toBe(200)
    expect((await receipt(bob, 'm.read', root, { thread_id: 'main' })).status).toBe(200)
    expect(await receiptsOf(bob, userId(bob.userId))).toEqual(
      expect.arrayContaining([
        ['m.read', inThread, root],
        ['m.read', root, 'main'],
      ]),
    )
    for (const [event, thread_id] of [
      [inThread, 'main'],
      [root, '$other'],
      [root, ''],
      [root, 5],
      [root, null],
    ] as const) {
      const answer = await receipt(bob, 'm.read', event, { thread_id })
      expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
    }
    const marker = await receipt(bob, 'm.fully_read', root, { thread_id: 'main' })
    expect(marker.body.errcode).toBe('M_INVALID_PARAM')
  })

  it('refuses other types', async () => {
    const answer = await receipt(alice, 'not.m.read', await say(alice))
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })
})

describe('POST /rooms/{roomId}/read_markers', () => {
  const fullyRead = async (): Promise<unknown> => {
    const { userapi } = server.app.components
    const entry = await userapi.accountData(userId(alice.userId), room, 'm.fully_read')
    return entry && JSON.parse(entry.content)
  }

  it('moves the marker forward and the receipt with it', async () => {
    const [first, second] = [await say(bob), await say(bob)]
    const path = `/rooms/${encodeURIComponent(room)}/read_markers`
    expect((await alice.post(path, { 'm.fully_read': first, 'm.read': second })).status).toBe(200)
    expect(await fullyRead()).toEqual({ event_id: first })
    expect(await receiptsOf(alice, userId(bob.userId))).toEqual([['m.read', second, undefined]])
    await receipt(alice, 'm.fully_read', second)
    await receipt(alice, 'm.fully_read', first)
    expect(await fullyRead()).toEqual({ event_id: second })
    expect(await alice.post(path, { 'm.fully_read': '$unknown' })).toMatchObject({ status: 404 })
    expect((await alice.post(path, {})).status).toBe(200)
  })
})

describe('PUT /rooms/{roomId}/typing', () => {
  const typing = (user: TestUser, body: object, who = user.userId) =>
    user.put(`/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(who)}`, body)

  const typists = () => {
    const { ephemeral, streamClock } = server.app.components
    return ephemeral.typingBetween([room], 0, streamClock.visible).get(room) ?? []
  }

  it('starts and stops', async () => {
    expect(await typing(alice, { typing: true, timeout: 30_000 })).toMatchObject({ status: 200, body: {} })
    expect(typists()).toEqual([alice.userId])
    expect((await typing(alice, { typing: false })).status).toBe(200)
    expect(typists()).toEqual([])
  })

  it('is for oneself and for members only', async () => {
    for (const answer of [await typing(alice, { typing: true }, bob.userId), await typing(carol, { typing: true })]) {
      expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    }
    expect(await typing(alice, { typing: 'yes' })).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })
})

describe('/presence/{userId}/status', () => {
  const path = (user: TestUser) => `/presence/${encodeURIComponent(user.userId)}/status`

  it('is set by oneself and shown to those who share a room', async () => {
    expect((await carol.get(path(carol))).body.presence).toBe('offline')
    expect((await alice.put(path(alice), { presence: 'online', status_msg: 'here' })).status).toBe(200)
    const { body } = await bob.get(path(alice))
    expect(body).toMatchObject({ presence: 'online', status_msg: 'here', currently_active: true })
    expect(body.last_active_ago).toBeGreaterThanOrEqual(0)
    expect(await carol.get(path(alice))).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    const foreign = await bob.put(path(alice), { presence: 'offline' })
    expect(foreign).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    const wrong = await alice.put(path(alice), { presence: 'away' })
    expect(wrong).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })
})
