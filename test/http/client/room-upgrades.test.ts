import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, getState, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

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

async function upgrade(user: TestUser, roomId: string, version = '11', more: object = {}): Promise<string> {
  const answer = await ok(user.post(`/rooms/${roomId}/upgrade`, { new_version: version, ...more }))
  return answer.body.replacement_room
}
const content = async (user: TestUser, roomId: string, type: string, key = '') =>
  (await ok(getState(user, roomId, type, key))).body
const aliasPath = (name: string) => `/directory/room/${encodeURIComponent(`#${name}:test.example`)}`

describe('an upgraded room', () => {
  test('has what the old one had, names it, and is named by its tombstone', async () => {
    const roomId = await publicRoom(alice, [bob], {
      room_version: '10',
      name: 'Garden',
      topic: 'Tomatoes',
      creation_content: { type: 'm.space', 'm.federate': false },
      initial_state: [{ type: 'm.room.guest_access', content: { guest_access: 'forbidden' } }],
    })
    const encryption = { algorithm: 'm.megolm.v1.aes-sha2' }
    const acl = { allow: ['*'], deny: ['evil.example'], allow_ip_literals: false }
    await ok(setState(alice, roomId, 'm.room.encryption', encryption))
    await ok(setState(alice, roomId, 'm.room.server_acl', acl))
    await ok(setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'joined' }))
    await ok(setState(alice, roomId, 'm.space.child', { via: ['test.example'] }, '!child:test.example'))
    await ok(setState(alice, roomId, 'org.example.custom', { a: 1 }))
    await ok(alice.post(`/rooms/${roomId}/ban`, { user_id: '@spam:evil.example', reason: 'spam' }))
    const levels = await content(alice, roomId, 'm.room.power_levels')
    const last = await say(bob, roomId, 'the last word')
    const newRoomId = await upgrade(alice, roomId)
    expect(await content(alice, newRoomId, 'm.room.create')).toEqual({
      room_version: '11',
      type: 'm.space',
      'm.federate': false,
      predecessor: { room_id: roomId, event_id: last },
    })
    expect((await content(alice, roomId, 'm.room.tombstone')).replacement_room).toBe(newRoomId)
    expect(await content(alice, newRoomId, 'm.room.encryption')).toEqual(encryption)
    expect(await content(alice, newRoomId, 'm.room.server_acl')).toEqual(acl)
    expect(await content(alice, newRoomId, 'm.room.name')).toEqual({ name: 'Garden' })
    expect((await content(alice, newRoomId, 'm.room.topic')).topic).toBe('Tomatoes')
    expect(await content(alice, newRoomId, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await content(alice, newRoomId, 'm.room.history_visibility')).toEqual({ history_visibility: 'joined' })
    expect(await content(alice, newRoomId, 'm.room.guest_access')).toEqual({ guest_access: 'forbidden' })
    expect(await content(alice, newRoomId, 'm.space.child', '!child:test.example')).toEqual({ via: ['test.example'] })
    expect(await content(alice, newRoomId, 'm.room.power_levels')).toEqual(levels)
    expect(await content(alice, newRoomId, 'm.room.member', '@spam:evil.example')).toEqual({
      membership: 'ban',
      reason: 'spam',
    })
    expect(await refusal(getState(alice, newRoomId, 'org.example.custom'))).toEqual([404, 'M_NOT_FOUND'])
    const members = (await ok(alice.get(`/rooms/${newRoomId}/joined_members`))).body.joined
    expect(Object.keys(members)).toEqual([alice.userId])
    expect(await content(alice, roomId, 'm.room.power_levels')).toMatchObject({ events_default: 50, invite: 50 })
    expect((await bob.put(`/rooms/${roomId}/send/m.room.message/late`, { body: 'x', msgtype: 'm.text' })).status).toBe(
      403,
    )
  })

  test('closes the old one above whatever everybody there has', async () => {
    const roomId = await publicRoom(alice, [], { room_version: '10' })
    const levels = await content(alice, roomId, 'm.room.power_levels')
    await ok(setState(alice, roomId, 'm.room.power_levels', { ...levels, users_default: 80 }))
    await upgrade(alice, roomId)
    expect(await content(alice, roomId, 'm.room.power_levels')).toMatchObject({ events_default: 81, invite: 81 })
  })

  test('may be made by a moderator who can write a tombstone, and who gains nothing by it', async () => {
    const roomId = await publicRoom(alice, [bob], { room_version: '10' })
    const before = await content(alice, roomId, 'm.room.power_levels')
    const levels = {
      ...before,
      users: { ...before.users, [bob.userId]: 50 },
      events: { ...before.events, 'm.room.tombstone': 50 },
    }
    await ok(setState(alice, roomId, 'm.room.power_levels', levels))
    const newRoomId = await upgrade(bob, roomId)
    expect(await content(bob, newRoomId, 'm.room.power_levels')).toEqual(levels)
    expect(await content(bob, roomId, 'm.room.power_levels')).toEqual(levels)
  })

  test('of version 12 has creators above all levels, and going back names them', async () => {
    const roomId = await publicRoom(alice, [], { room_version: '10' })
    const v12 = await upgrade(alice, roomId, '12', { additional_creators: [bob.userId] })
    expect(await content(alice, v12, 'm.room.create')).toMatchObject({
      room_version: '12',
      additional_creators: [bob.userId],
      predecessor: { room_id: roomId },
    })
    expect((await content(alice, v12, 'm.room.power_levels')).users).toEqual({})
    const v11 = await upgrade(alice, v12, '11', { additional_creators: [bob.userId] })
    expect((await content(alice, v11, 'm.room.create')).additional_creators).toBeUndefined()
    expect((await content(alice, v11, 'm.room.power_levels')).users).toEqual({
      [alice.userId]: 100,
      [bob.userId]: 100,
    })
  })

  test('takes over aliases and the place in the directory', async () => {
    const roomId = await publicRoom(alice, [bob], { room_alias_name: 'old', visibility: 'public', room_version: '10' })
    await ok(bob.put(aliasPath('other'), { room_id: roomId }))
    const named = { alias: '#old:test.example', alt_aliases: ['#other:test.example'] }
    await ok(setState(alice, roomId, 'm.room.canonical_alias', named))
    const newRoomId = await upgrade(alice, roomId)
    for (const name of ['old', 'other']) expect((await ok(bob.get(aliasPath(name)))).body.room_id).toBe(newRoomId)
    expect(await content(alice, roomId, 'm.room.canonical_alias')).toEqual({})
    expect(await content(alice, newRoomId, 'm.room.canonical_alias')).toEqual(named)
    const visibility = async (id: string) => (await ok(bob.get(`/directory/list/room/${id}`))).body.visibility
    expect([await visibility(roomId), await visibility(newRoomId)]).toEqual(['private', 'public'])
    // Whoever gave an alias may still take it away.
    await ok(bob.delete(aliasPath('other')))
  })

  test('keeps what its members had set for the old one, when they join', async () => {
    const roomId = await publicRoom(alice, [bob], { room_version: '10' })
    const own = `/user/${bob.userId}`
    await ok(bob.put(`${own}/rooms/${roomId}/tags/m.favourite`, { order: 0.5 }))
    await ok(bob.put(`${own}/account_data/m.direct`, { [alice.userId]: [roomId] }))
    await ok(bob.put(`/pushrules/global/room/${encodeURIComponent(roomId)}`, { actions: ['notify'] }))
    const condition = { kind: 'event_match', key: 'room_id', pattern: roomId }
    await ok(
      bob.put(`/pushrules/global/override/${encodeURIComponent(roomId)}`, { actions: [], conditions: [condition] }),
    )
    const newRoomId = await upgrade(alice, roomId)
    await ok(bob.post(`/rooms/${newRoomId}/join`))
    expect((await ok(bob.get(`${own}/rooms/${newRoomId}/tags`))).body.tags).toEqual({ 'm.favourite': { order: 0.5 } })
    expect((await ok(bob.get(`${own}/account_data/m.direct`))).body).toEqual({ [alice.userId]: [roomId, newRoomId] })
    const rule = await ok(bob.get(`/pushrules/global/room/${encodeURIComponent(newRoomId)}`))
    expect(rule.body.actions).toEqual(['notify'])
    const override = (await ok(bob.get(`/pushrules/global/override/${encodeURIComponent(newRoomId)}`))).body
    expect(override.conditions).toEqual([{ ...condition, pattern: newRoomId }])
  })
})

describe('nobody', () => {
  test('upgrades a room without the power to, one that they are not in, or to an unknown version', async () => {
    const roomId = await publicRoom(alice, [bob])
    const body = { new_version: '11' }
    expect(await refusal(bob.post(`/rooms/${roomId}/upgrade`, body))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(mallory.post(`/rooms/${roomId}/upgrade`, body))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(alice.post('/rooms/!fail:unknown/upgrade', body))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(alice.post(`/rooms/${roomId}/upgrade`, {}))).toEqual([400, 'M_BAD_JSON'])
    const unknown = alice.post(`/rooms/${roomId}/upgrade`, { new_version: 'my_bad_version' })
    expect(await refusal(unknown)).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
    expect(await refusal(getState(alice, roomId, 'm.room.tombstone'))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('SECURITY 22: takes over anything of a room by naming it as predecessor', async () => {
    const roomId = await publicRoom(alice, [bob], { room_alias_name: 'mine', visibility: 'public' })
    await ok(bob.put(`/user/${bob.userId}/rooms/${roomId}/tags/m.favourite`, {}))
    await ok(bob.put(`/pushrules/global/room/${encodeURIComponent(roomId)}`, { actions: ['notify'] }))
    const predecessor = { room_id: roomId, event_id: '$some' }
    const evil = await createRoom(mallory, { preset: 'public_chat', creation_content: { predecessor } })
    await ok(bob.post(`/rooms/${evil}/join`))
    expect((await ok(bob.get(`/user/${bob.userId}/rooms/${evil}/tags`))).body.tags).toEqual({})
    const rule = bob.get(`/pushrules/global/room/${encodeURIComponent(evil)}`)
    expect(await refusal(rule)).toEqual([404, 'M_NOT_FOUND'])
    expect((await ok(bob.get(aliasPath('mine')))).body.room_id).toBe(roomId)
    expect((await ok(bob.get(`/directory/list/room/${evil}`))).body.visibility).toBe('private')
  })
})
