import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/protocol/json.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, getState, membershipOf, ok, publicRoom, refusal, setState } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let carol: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  carol = await server.register('carol')
})
afterAll(() => server.stop())

const UNKNOWN_ROOM = '!unknown:test.example'

async function guest(): Promise<TestUser> {
  const { body } = await server.request('POST', '/register?kind=guest', {})
  return server.as({ userId: body.user_id, deviceId: body.device_id, token: body.access_token })
}

describe('joining', () => {
  test('by id, and by alias, with what the client says for this room', async () => {
    const roomId = await publicRoom(alice, [], { room_alias_name: 'jöin' })
    const byAlias = await ok(bob.post(`/join/${encodeURIComponent('#jöin:test.example')}`, { reason: 'hi', 'a.b': 1 }))
    expect(byAlias.body).toEqual({ room_id: roomId })
    expect((await getState(alice, roomId, 'm.room.member', bob.userId)).body).toEqual({
      membership: 'join',
      displayname: 'bob',
      reason: 'hi',
      'a.b': 1,
    })
    expect((await ok(carol.post(`/join/${roomId}?via=elsewhere.example`))).body).toEqual({ room_id: roomId })
  })

  test('twice makes one event', async () => {
    const roomId = await publicRoom(alice, [bob])
    const first = await bob.get(`/rooms/${roomId}/state/m.room.member/${bob.userId}?format=event`)
    await ok(bob.post(`/rooms/${roomId}/join`))
    const second = await bob.get(`/rooms/${roomId}/state/m.room.member/${bob.userId}?format=event`)
    expect(second.body.event_id).toBe(first.body.event_id)
  })

  test('costs at most 16 statements', async () => {
    const roomId = await publicRoom(alice)
    const statements = await server.statements(() => bob.post(`/rooms/${roomId}/join`))
    expect(statements.length, statements.join('\n')).toBeLessThanOrEqual(16)
  })

  test('what is unknown is not found, what is closed is forbidden', async () => {
    const roomId = await createRoom(alice)
    expect(await refusal(bob.post(`/rooms/${UNKNOWN_ROOM}/join`))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(bob.post('/join/%23none:test.example'))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(bob.post('/join/%23none:elsewhere.example'))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(bob.post('/join/nonsense'))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(bob.post(`/rooms/${roomId}/join`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.post(`/rooms/${roomId}/join`, { reason: 1 }))).toEqual([400, 'M_BAD_JSON'])
    expect(await refusal(bob.post(`/rooms/${roomId}/join`, { third_party_signed: 1 }))).toEqual([400, 'M_BAD_JSON'])
  })

  test.each(['8', '10', '12'])(
    'a restricted room of version %s lets in who is in the room it names',
    async (version) => {
      const space = await publicRoom(alice, [bob])
      const allow = [{ type: 'm.room_membership', room_id: space }]
      const joinRules = { type: 'm.room.join_rules', content: { join_rule: 'restricted', allow } }
      const roomId = await createRoom(alice, { room_version: version, initial_state: [joinRules] })
      await ok(bob.post(`/rooms/${roomId}/join`))
      const member = (await getState(bob, roomId, 'm.room.member', bob.userId)).body
      expect(member).toMatchObject({ membership: 'join', join_authorised_via_users_server: alice.userId })
      expect(await refusal(carol.post(`/rooms/${roomId}/join`))).toEqual([403, 'M_FORBIDDEN'])
      // A client that changes its name sends back what it was shown.
      await ok(setState(bob, roomId, 'm.room.member', { ...member, displayname: 'Bobby' }, bob.userId))
      expect((await getState(bob, roomId, 'm.room.member', bob.userId)).body).toEqual({
        membership: 'join',
        displayname: 'Bobby',
      })
    },
  )

  test('a restricted room lets nobody in through a member who may not invite', async () => {
    const space = await publicRoom(alice, [bob])
    const allow = [{ type: 'm.room_membership', room_id: space }]
    const roomId = await createRoom(alice, {
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'restricted', allow } }],
    })
    await ok(alice.post(`/rooms/${roomId}/leave`))
    const forged = { membership: 'join', join_authorised_via_users_server: alice.userId }
    expect(await refusal(setState(bob, roomId, 'm.room.member', forged, bob.userId))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('guests join where guests may, and are taken out when they may not any more', async () => {
    const visitor = await guest()
    const closed = await publicRoom(alice)
    expect(await refusal(visitor.post(`/rooms/${closed}/join`))).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
    const knock = setState(visitor, closed, 'm.room.member', { membership: 'knock' }, visitor.userId)
    expect(await refusal(knock)).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
    await ok(setState(alice, closed, 'm.room.guest_access', { guest_access: 'can_join' }))
    await ok(visitor.post(`/rooms/${closed}/join`))
    await ok(visitor.put(`/rooms/${closed}/send/m.room.message/1`, { body: 'hello' }))
    await ok(setState(alice, closed, 'm.room.guest_access', { guest_access: 'forbidden' }))
    expect(await membershipOf(alice, closed, visitor.userId)).toBe('leave')
    expect(await membershipOf(alice, closed, alice.userId)).toBe('join')
  })

  test('a signed third-party invite lets its user in, and nobody else', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
    const key = raw.toString('base64').replace(/=+$/, '')
    const roomId = await createRoom(alice)
    const invite = { display_name: 'b...', public_key: key, public_keys: [{ public_key: key }] }
    await ok(setState(alice, roomId, 'm.room.third_party_invite', invite, 'token'))
    const statement = { mxid: bob.userId, sender: alice.userId, token: 'token' }
    const signed = { mxid: bob.userId, token: 'token' }
    const signature = sign(null, Buffer.from(canonicalJson(signed)), privateKey)
      .toString('base64')
      .replace(/=+$/, '')
    const proof = { ...statement, signatures: { 'id.example': { 'ed25519:0': signature } } }
    const forged = { ...statement, signatures: { 'id.example': { 'ed25519:0': signature.replace(/^./, 'x') } } }
    expect(await refusal(bob.post(`/join/${roomId}`, { third_party_signed: forged }))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(carol.post(`/join/${roomId}`, { third_party_signed: proof }))).toEqual([403, 'M_FORBIDDEN'])
    await ok(bob.post(`/join/${roomId}`, { third_party_signed: proof }))
    expect((await getState(alice, roomId, 'm.room.member', bob.userId)).body).toEqual({
      membership: 'join',
      displayname: 'bob',
    })
    await ok(setState(alice, roomId, 'm.room.third_party_invite', { ...invite, key_validity_url: 'https://id' }, 'two'))
    const unchecked = { ...proof, mxid: carol.userId, token: 'two' }
    expect(await refusal(carol.post(`/join/${roomId}`, { third_party_signed: unchecked }))).toEqual([
      403,
      'M_FORBIDDEN',
    ])
  })
})

describe('inviting', () => {
  test('with a reason, and the profile of the one who is invited; again says nothing new', async () => {
    const roomId = await createRoom(alice)
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId, reason: 'come' }))
    const path = `/rooms/${roomId}/state/m.room.member/${bob.userId}?format=event`
    const first = (await alice.get(path)).body
    expect(first.content).toEqual({ membership: 'invite', displayname: 'bob', reason: 'come' })
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId, reason: 'come' }))
    expect((await alice.get(path)).body.event_id).toBe(first.event_id)
    await ok(bob.post(`/rooms/${roomId}/join`))
    expect(await refusal(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('is refused where it can come to nothing', async () => {
    const roomId = await createRoom(alice)
    const invite = (user: TestUser, body: object, room = roomId) => refusal(user.post(`/rooms/${room}/invite`, body))
    expect(await invite(bob, { user_id: carol.userId })).toEqual([403, 'M_FORBIDDEN'])
    expect(await invite(bob, { user_id: carol.userId }, UNKNOWN_ROOM)).toEqual([403, 'M_FORBIDDEN'])
    expect(await invite(alice, { user_id: alice.userId })).toEqual([403, 'M_FORBIDDEN'])
    expect(await invite(alice, { user_id: '@nobody:test.example' })).toEqual([404, 'M_NOT_FOUND'])
    expect(await invite(alice, { user_id: '@bob:elsewhere.example' })).toEqual([403, 'M_FORBIDDEN'])
    expect(await invite(alice, { user_id: 'bob' })).toEqual([400, 'M_BAD_JSON'])
    expect(await invite(alice, {})).toEqual([400, 'M_BAD_JSON'])
    const thirdParty = { id_server: 'id.example', id_access_token: 't', medium: 'email', address: 'a@b.example' }
    expect(await invite(alice, thirdParty)).toEqual([400, 'M_SERVER_NOT_TRUSTED'])
    expect(await invite(bob, thirdParty)).toEqual([403, 'M_FORBIDDEN'])
  })

  test('an invite can be turned down, also when nobody is left in the room', async () => {
    const roomId = await createRoom(alice, { invite: [bob.userId] })
    await ok(alice.post(`/rooms/${roomId}/leave`))
    await ok(bob.post(`/rooms/${roomId}/leave`, { reason: 'no' }))
    await ok(bob.post(`/rooms/${roomId}/leave`))
    await ok(bob.post(`/rooms/${roomId}/forget`))
  })
})

describe('leaving and forgetting', () => {
  test('who never was in a room cannot leave it', async () => {
    const roomId = await createRoom(alice)
    expect(await refusal(bob.post(`/rooms/${roomId}/leave`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.post(`/rooms/${UNKNOWN_ROOM}/leave`))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('only who has left can forget', async () => {
    const roomId = await publicRoom(alice, [bob])
    expect(await refusal(bob.post(`/rooms/${roomId}/forget`))).toEqual([400, 'M_UNKNOWN'])
    await ok(bob.post(`/rooms/${roomId}/leave`))
    expect((await bob.get(`/rooms/${roomId}/messages?dir=b`)).status).toBe(200)
    await ok(bob.post(`/rooms/${roomId}/forget`))
    expect(await refusal(bob.get(`/rooms/${roomId}/messages?dir=b`))).toEqual([403, 'M_FORBIDDEN'])
    expect((await bob.get('/joined_rooms')).body.joined_rooms).not.toContain(roomId)
  })
})

describe('moderating', () => {
  test('a ban keeps somebody out until it is lifted', async () => {
    const roomId = await publicRoom(alice, [bob])
    await ok(alice.post(`/rooms/${roomId}/ban`, { user_id: bob.userId, reason: 'spam' }))
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('ban')
    expect(await refusal(bob.post(`/rooms/${roomId}/join`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.post(`/rooms/${roomId}/leave`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(alice.post(`/rooms/${roomId}/kick`, { user_id: bob.userId }))).toEqual([403, 'M_FORBIDDEN'])
    await ok(alice.post(`/rooms/${roomId}/unban`, { user_id: bob.userId }))
    expect(await refusal(alice.post(`/rooms/${roomId}/unban`, { user_id: bob.userId }))).toEqual([403, 'M_FORBIDDEN'])
    await ok(bob.post(`/rooms/${roomId}/join`))
  })

  test('a kick is for those who are there, by those who have the power', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const kick = (user: TestUser, target: TestUser, room = roomId) =>
      refusal(user.post(`/rooms/${room}/kick`, { user_id: target.userId }))
    expect(await kick(bob, carol)).toEqual([403, 'M_FORBIDDEN'])
    expect(await kick(carol, alice)).toEqual([403, 'M_FORBIDDEN'])
    expect(await kick(bob, carol, UNKNOWN_ROOM)).toEqual([403, 'M_FORBIDDEN'])
    await ok(alice.post(`/rooms/${roomId}/kick`, { user_id: bob.userId, reason: 'enough' }))
    expect((await getState(alice, roomId, 'm.room.member', bob.userId)).body).toEqual({
      membership: 'leave',
      reason: 'enough',
    })
    expect(await kick(alice, bob)).toEqual([403, 'M_FORBIDDEN'])
    expect(await kick(alice, server.as({ ...bob, userId: '@nobody:test.example' }))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('memberships through /state go the same ways', async () => {
    const roomId = await createRoom(alice)
    const put = (user: TestUser, target: string, content: object) =>
      setState(user, roomId, 'm.room.member', content, target)
    expect(await refusal(put(alice, '@nobody:test.example', { membership: 'invite' }))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(put(alice, bob.userId, { membership: 'join' }))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(put(alice, bob.userId, { membership: 'leave' }))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(put(alice, bob.userId, {}))).toEqual([400, 'M_BAD_JSON'])
    expect(await refusal(put(alice, bob.userId, { membership: 7 }))).toEqual([400, 'M_BAD_JSON'])
    expect(await refusal(put(alice, 'bob', { membership: 'invite' }))).toEqual([400, 'M_BAD_JSON'])
    await ok(put(alice, bob.userId, { membership: 'invite', 'x.y': true }))
    await ok(put(bob, bob.userId, { membership: 'join', displayname: 'Other' }))
    expect((await getState(alice, roomId, 'm.room.member', bob.userId)).body).toEqual({
      membership: 'join',
      displayname: 'Other',
    })
    await ok(put(alice, bob.userId, { membership: 'ban' }))
    await ok(put(alice, bob.userId, { membership: 'leave' }))
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('leave')
  })
})

describe('knocking', () => {
  const knockRules = [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }]

  test('asks to be let in', async () => {
    const roomId = await createRoom(alice, { initial_state: knockRules, room_alias_name: 'knock' })
    expect((await ok(bob.post('/knock/%23knock:test.example', { reason: 'please' }))).body).toEqual({ room_id: roomId })
    expect((await getState(alice, roomId, 'm.room.member', bob.userId)).body).toEqual({
      membership: 'knock',
      displayname: 'bob',
      reason: 'please',
    })
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))
    await ok(bob.post(`/rooms/${roomId}/join`))
    expect(await refusal(bob.post(`/knock/${roomId}`))).toEqual([403, 'M_FORBIDDEN'])
    await ok(carol.post(`/knock/${roomId}`))
    await ok(carol.post(`/rooms/${roomId}/leave`))
  })

  test('is not for rooms that take no knocks', async () => {
    const closed = await createRoom(alice)
    const old = await createRoom(alice, { room_version: '6' })
    expect(await refusal(bob.post(`/knock/${closed}`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.post(`/knock/${old}`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.post(`/knock/${UNKNOWN_ROOM}`))).toEqual([404, 'M_NOT_FOUND'])
  })
})
