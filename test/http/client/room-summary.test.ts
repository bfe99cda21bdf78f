import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, setState } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let mallory: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  mallory = await server.register('mallory')
})
afterAll(() => server.stop())

const v1 = '/_matrix/client/v1'
const encoded = encodeURIComponent
const space = (user: TestUser, body: object = {}) =>
  createRoom(user, { creation_content: { type: 'm.space' }, ...body })
const addChild = (user: TestUser, parent: string, child: string, content: object = {}) =>
  ok(setState(user, parent, 'm.space.child', { via: ['test.example'], ...content }, child))
const hierarchy = (user: TestUser, roomId: string, query = '') =>
  user.get(`${v1}/rooms/${encoded(roomId)}/hierarchy${query}`)
const roomsOf = (body: { rooms: { room_id: string }[] }) => body.rooms.map(({ room_id }) => room_id)

describe('the summary of a room', () => {
  test('tells outsiders of a public room by id and alias, with or without an account', async () => {
    const roomId = await publicRoom(alice, [bob], { name: 'Tomatoes', room_alias_name: 'tomatoes' })
    const { body } = await ok(mallory.get(`${v1}/room_summary/${encoded('#tomatoes:test.example')}`))
    expect(body).toEqual({
      room_id: roomId,
      name: 'Tomatoes',
      canonical_alias: '#tomatoes:test.example',
      num_joined_members: 2,
      join_rule: 'public',
      guest_can_join: false,
      world_readable: false,
      room_version: '12',
      membership: 'leave',
    })
    const anonymous = (await ok(server.request('GET', `${v1}/room_summary/${encoded(roomId)}`))).body
    expect(anonymous.membership).toBeUndefined()
    expect((await ok(bob.get(`${v1}/room_summary/${encoded(roomId)}`))).body.membership).toBe('join')
  })

  test('is served under the names that it had as a proposal', async () => {
    const roomId = await publicRoom(alice)
    await ok(setState(alice, roomId, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }))
    for (const path of [`summary/${encoded(roomId)}`, `rooms/${encoded(roomId)}/summary`]) {
      const { body } = await ok(mallory.get(`/_matrix/client/unstable/im.nheko.summary/${path}`))
      expect(body).toMatchObject({
        encryption: 'm.megolm.v1.aes-sha2',
        'im.nheko.summary.room_version': '12',
        'im.nheko.summary.encryption': 'm.megolm.v1.aes-sha2',
      })
    }
  })

  test('SECURITY 61: tells outsiders nothing of a private room, as if it did not exist', async () => {
    const roomId = await createRoom(alice, { preset: 'private_chat', name: 'Secret' })
    const summary = (user: TestUser, id: string) => user.get(`${v1}/room_summary/${encoded(id)}`)
    expect(await refusal(summary(mallory, roomId))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(summary(mallory, '!unknown:test.example'))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(server.request('GET', `${v1}/room_summary/${encoded(roomId)}`))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(hierarchy(mallory, roomId))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(hierarchy(mallory, '!unknown:test.example'))).toEqual([403, 'M_FORBIDDEN'])
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))
    expect((await ok(summary(bob, roomId))).body).toMatchObject({ name: 'Secret', membership: 'invite' })
    expect(await refusal(summary(mallory, 'nonsense'))).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('names the rooms whose members may join, to those members', async () => {
    const club = await createRoom(alice, { preset: 'private_chat' })
    const roomId = await createRoom(alice, { preset: 'private_chat' })
    const allow = [{ type: 'm.room_membership', room_id: club }]
    await ok(setState(alice, roomId, 'm.room.join_rules', { join_rule: 'restricted', allow }))
    expect((await refusal(bob.get(`${v1}/room_summary/${encoded(roomId)}`)))[0]).toBe(404)
    await ok(alice.post(`/rooms/${club}/invite`, { user_id: bob.userId }))
    await ok(bob.post(`/rooms/${club}/join`))
    const { body } = await ok(bob.get(`${v1}/room_summary/${encoded(roomId)}`))
    expect(body).toMatchObject({ join_rule: 'restricted', allowed_room_ids: [club] })
  })

  test('SECURITY 78: leaves out names and addresses that are no text', async () => {
    const roomId = await publicRoom(alice)
    await ok(setState(alice, roomId, 'm.room.name', { name: {} }))
    await ok(setState(alice, roomId, 'm.room.avatar', { url: 5 }))
    const { body } = await ok(mallory.get(`${v1}/room_summary/${encoded(roomId)}`))
    expect(body.name).toBeUndefined()
    expect(body.avatar_url).toBeUndefined()
  })
})

describe('the hierarchy of a space', () => {
  test('goes through a room and what is below it before the next, as the children are ordered', async () => {
    const root = await space(alice)
    const [first, second, third] = [await publicRoom(alice), await space(alice), await publicRoom(alice)]
    const below = await publicRoom(alice)
    await addChild(alice, root, third)
    await addChild(alice, root, second, { order: 'b', suggested: true })
    await addChild(alice, root, first, { order: 'a' })
    await addChild(alice, second, below)
    await addChild(alice, second, root)
    const { body } = await ok(hierarchy(alice, root))
    expect(roomsOf(body)).toEqual([root, first, second, below, third])
    expect(body.next_batch).toBeUndefined()
    expect(body.rooms[0]).toMatchObject({ room_type: 'm.space', join_rule: 'invite', num_joined_members: 1 })
    expect(body.rooms[0].children_state.map((event: { state_key: string }) => event.state_key)).toEqual([
      first,
      second,
      third,
    ])
    expect(Object.keys(body.rooms[0].children_state[0]).sort()).toEqual([
      'content',
      'origin_server_ts',
      'sender',
      'state_key',
      'type',
    ])
    expect(body.rooms[1].children_state).toEqual([])
    expect(roomsOf((await ok(hierarchy(alice, root, '?max_depth=1'))).body)).toEqual([root, first, second, third])
    expect(roomsOf((await ok(hierarchy(alice, root, '?max_depth=0'))).body)).toEqual([root])
    expect(roomsOf((await ok(hierarchy(alice, root, '?suggested_only=true'))).body)).toEqual([root, second])
  })

  test('comes in pages, whose tokens hold for the same request only', async () => {
    const root = await space(alice)
    const children: string[] = []
    for (let n = 0; n < 4; n++) {
      children.push(await publicRoom(alice))
      await addChild(alice, root, children.at(-1) ?? '', { order: String(n) })
    }
    const first = (await ok(hierarchy(alice, root, '?limit=2'))).body
    expect(roomsOf(first)).toEqual([root, children[0]])
    const second = (await ok(hierarchy(alice, root, `?limit=3&from=${first.next_batch}`))).body
    expect(roomsOf(second)).toEqual(children.slice(1))
    expect(second.next_batch).toBeUndefined()
    for (const query of [`?from=${first.next_batch}&max_depth=1`, `?from=${first.next_batch}&suggested_only=true`]) {
      expect(await refusal(hierarchy(alice, root, query))).toEqual([400, 'M_INVALID_PARAM'])
    }
    for (const query of ['?from=x', '?limit=0', '?max_depth=-1', '?suggested_only=x']) {
      expect(await refusal(hierarchy(alice, root, query))).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('SECURITY 61: leaves out private rooms for those who are not in them, and children without servers', async () => {
    const root = await space(alice, { preset: 'public_chat' })
    const hidden = await createRoom(alice, { preset: 'private_chat', name: 'Secret' })
    const open = await publicRoom(alice)
    const removed = await publicRoom(alice)
    for (const child of [hidden, open, removed]) await addChild(alice, root, child)
    await ok(setState(alice, root, 'm.space.child', {}, removed))
    await addChild(alice, root, '!elsewhere:other.example')
    const { body } = await ok(hierarchy(mallory, root))
    expect(roomsOf(body)).toEqual([root, open])
    expect(JSON.stringify(body)).not.toContain('Secret')
    expect(roomsOf((await ok(hierarchy(alice, root))).body)).toEqual([root, hidden, open])
  })
})

describe('rooms in common', () => {
  test('are those that both are joined to', async () => {
    const [carol, dave] = [await server.register('carol'), await server.register('dave')]
    const both = await publicRoom(carol, [dave])
    const another = await publicRoom(dave, [carol])
    await publicRoom(carol)
    const left = await publicRoom(carol, [dave])
    await ok(dave.post(`/rooms/${left}/leave`))
    const mutual = (query: string) => carol.get(`${v1}/mutual_rooms${query}`)
    const { body } = await ok(mutual(`?user_id=${encoded(dave.userId)}`))
    expect(body).toEqual({ joined: [both, another].sort(), count: 2 })
    const unstable = `/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms?user_id=${encoded(dave.userId)}`
    expect((await ok(carol.get(unstable))).body.joined).toEqual(body.joined)
    expect((await ok(mutual(`?user_id=${encoded('@nobody:test.example')}`))).body).toEqual({ joined: [], count: 0 })
    expect(await refusal(mutual(`?user_id=${encoded(carol.userId)}`))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(mutual('?user_id=x'))).toEqual([400, 'M_INVALID_PARAM'])
    expect((await refusal(mutual('')))[0]).toBe(400)
    expect(await refusal(mutual(`?user_id=${encoded(dave.userId)}&from=x`))).toEqual([400, 'M_INVALID_PARAM'])
  })
})

describe('outsiders', () => {
  test('SECURITY 60, 63: read nothing of a room that is not theirs, at no point in time', async () => {
    const roomId = await createRoom(alice, { preset: 'private_chat' })
    const { next_batch: token } = (await ok(alice.get('/sync'))).body
    const room = `/rooms/${roomId}`
    for (const path of [
      `${room}/members`,
      `${room}/members?at=${token}`,
      `${room}/state`,
      `${room}/state?at=${token}`,
      `${room}/joined_members`,
      `${room}/aliases`,
      `${room}/messages?dir=b&limit=5`,
      `${room}/initialSync`,
      `${v1}/rooms/${roomId}/threads`,
      `${v1}/rooms/${roomId}/timestamp_to_event?ts=0&dir=f`,
      `/events?room_id=${roomId}&timeout=0`,
    ]) {
      expect([path, ...(await refusal(mallory.get(path)))]).toEqual([path, 403, 'M_FORBIDDEN'])
    }
  })
})
