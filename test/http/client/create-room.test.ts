import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser
let bob: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
})
afterAll(() => server.stop())

const VERSIONS = Array.from({ length: 12 }, (_none, index) => String(index + 1))

interface StateEvent {
  readonly type: string
  readonly state_key: string
  readonly content: Record<string, unknown>
}

async function create(body: object): Promise<string> {
  const answer = await alice.post('/createRoom', body)
  expect(answer.body).toHaveProperty('room_id')
  return answer.body.room_id
}

async function content(roomId: string, type: string, key = ''): Promise<Record<string, never>> {
  return (await alice.get(`/rooms/${roomId}/state/${type}/${encodeURIComponent(key)}`)).body
}

describe('createRoom', () => {
  test.each(VERSIONS)('makes a room of version %s', async (version) => {
    const roomId = await create({ room_version: version, name: 'A room' })
    const creation = (await content(roomId, 'm.room.create')) as Record<string, unknown>
    expect(creation.room_version).toBe(version)
    expect(creation.creator).toBe(Number(version) < 11 ? alice.userId : undefined)
    const levels = (await content(roomId, 'm.room.power_levels')) as Record<string, unknown>
    expect(levels.users).toEqual(version === '12' ? {} : { [alice.userId]: 100 })
    expect(await content(roomId, 'm.room.name')).toEqual({ name: 'A room' })
  })

  test('puts the events in the order of the specification', async () => {
    const roomId = await create({
      preset: 'public_chat',
      room_alias_name: 'ordered',
      initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
      name: 'Name',
      topic: 'Topic',
      invite: [bob.userId],
      is_direct: true,
    })
    const { body } = await alice.get(`/rooms/${roomId}/messages?dir=f&limit=50`)
    expect(body.chunk.map(({ type }: StateEvent) => type)).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.encryption',
      'm.room.name',
      'm.room.topic',
      'm.room.member',
    ])
    expect(body.chunk[8].content).toEqual({ topic: 'Topic', 'm.topic': { 'm.text': [{ body: 'Topic' }] } })
    expect(body.chunk[9].content).toMatchObject({ membership: 'invite', is_direct: true, displayname: 'bob' })
    expect((await alice.get('/directory/room/%23ordered:test.example')).body.room_id).toBe(roomId)
  })

  test('initial state comes before the preset, and name and topic before both', async () => {
    const roomId = await create({
      preset: 'private_chat',
      name: 'Right',
      initial_state: [
        { type: 'm.room.join_rules', content: { join_rule: 'knock' } },
        { type: 'm.room.name', state_key: '', content: { name: 'Wrong' } },
        { type: 'com.example.nul', state_key: 'a\u0000b', content: { text: '\u0000' } },
      ],
    })
    expect(await content(roomId, 'm.room.join_rules')).toEqual({ join_rule: 'knock' })
    expect(await content(roomId, 'm.room.name')).toEqual({ name: 'Right' })
    expect(await content(roomId, 'com.example.nul', 'a\u0000b')).toEqual({ text: '\u0000' })
  })

  test('in a trusted private chat all are equal: creators in version 12, level 100 before', async () => {
    const invite = [bob.userId, bob.userId]
    const newer = await create({ preset: 'trusted_private_chat', invite, room_version: '12' })
    expect(await content(newer, 'm.room.create')).toMatchObject({ additional_creators: [bob.userId] })
    const older = await create({ preset: 'trusted_private_chat', invite, room_version: '11' })
    expect(await content(older, 'm.room.create')).not.toHaveProperty('additional_creators')
    expect(await content(older, 'm.room.power_levels')).toMatchObject({
      users: { [alice.userId]: 100, [bob.userId]: 100 },
    })
  })

  test('what the server decides cannot be overwritten through creation_content', async () => {
    const roomId = await create({
      room_version: '11',
      creation_content: { room_version: '1', creator: bob.userId, 'm.federate': false, type: 'm.space' },
    })
    expect(await content(roomId, 'm.room.create')).toEqual({
      room_version: '11',
      'm.federate': false,
      type: 'm.space',
    })
  })

  test('an override lies on top of the power levels', async () => {
    const roomId = await create({ power_level_content_override: { invite: 77, events: { 'm.room.name': 3 } } })
    expect(await content(roomId, 'm.room.power_levels')).toMatchObject({ invite: 77, events: { 'm.room.name': 3 } })
  })

  test.each([
    [{ room_version: '13' }, 'M_UNSUPPORTED_ROOM_VERSION'],
    [{ room_version: 11 }, 'M_BAD_JSON'],
    [{ name: {} }, 'M_BAD_JSON'],
    [{ invite: ['bob'] }, 'M_BAD_JSON'],
    [{ initial_state: [{ type: 'm.room.name' }] }, 'M_BAD_JSON'],
    [{ room_alias_name: 'a:b' }, 'M_INVALID_PARAM'],
    [
      { room_version: '12', power_level_content_override: { users: { '@alice:test.example': 100 } } },
      'M_INVALID_ROOM_STATE',
    ],
    [{ room_version: '11', name: 'x', power_level_content_override: { users: {} } }, 'M_INVALID_ROOM_STATE'],
    [{ initial_state: [{ type: 'm.room.create', content: {} }] }, 'M_INVALID_ROOM_STATE'],
    [{ initial_state: [{ type: 'm.room.redaction', content: { redacts: '$x' } }] }, 'M_INVALID_PARAM'],
    [{ initial_state: [{ type: 'm.room.canonical_alias', content: { alias: '#x:test.example' } }] }, 'M_BAD_ALIAS'],
    [{ invite_3pid: [{ medium: 'email', address: 'a@b' }] }, 'M_SERVER_NOT_TRUSTED'],
    [{ initial_state: [{ type: 'a', content: { number: 1.5 } }] }, 'M_BAD_JSON'],
    [{ topic: '\ud800' }, 'M_BAD_JSON'],
  ])('refuses %j with %s', async (body, errcode) => {
    const answer = await alice.post('/createRoom', body)
    expect([answer.status, answer.body.errcode]).toEqual([400, errcode])
  })

  test('nobody is invited who does not exist, is elsewhere, or takes no invites, and then there is no room', async () => {
    const carol = await server.register('carol')
    await carol.put(`/user/${carol.userId}/account_data/m.invite_permission_config`, { default_action: 'block' })
    const before = (await alice.get('/joined_rooms')).body.joined_rooms.length
    const answers = []
    for (const invitee of ['@nobody:test.example', '@bob:elsewhere.example', carol.userId]) {
      const { status, body } = await alice.post('/createRoom', { invite: [bob.userId, invitee] })
      answers.push([status, body.errcode])
    }
    expect(answers).toEqual([
      [404, 'M_NOT_FOUND'],
      [403, 'M_FORBIDDEN'],
      [403, 'M_INVITE_BLOCKED'],
    ])
    expect((await alice.get('/joined_rooms')).body.joined_rooms).toHaveLength(before)
  })

  test('an alias that is taken makes no room, also when many want it at once', async () => {
    const before = (await alice.get('/joined_rooms')).body.joined_rooms.length
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => alice.post('/createRoom', { room_alias_name: 'wanted' })),
    )
    expect(answers.map(({ body }) => body.errcode ?? 'made').sort()).toEqual([
      'M_ROOM_IN_USE',
      'M_ROOM_IN_USE',
      'M_ROOM_IN_USE',
      'made',
    ])
    expect((await alice.get('/joined_rooms')).body.joined_rooms).toHaveLength(before + 1)
  })

  test('a room that fails leaves no alias behind', async () => {
    const override = { users: { [alice.userId]: 100 } }
    const failed = await alice.post('/createRoom', { room_alias_name: 'again', power_level_content_override: override })
    expect(failed.body.errcode).toBe('M_INVALID_ROOM_STATE')
    expect((await alice.get('/directory/room/%23again:test.example')).body.errcode).toBe('M_NOT_FOUND')
    await create({ room_alias_name: 'again' })
  })

  test('takes at most 24 statements', async () => {
    const statements = await server.statements(() =>
      create({ visibility: 'public', room_alias_name: 'counted', name: 'n', topic: 't', invite: [bob.userId] }),
    )
    expect(statements.length, statements.join('\n')).toBeLessThanOrEqual(24)
  })

  test('empty fields of a form are none', async () => {
    const roomId = await create({ room_alias_name: '', name: '', topic: '', preset: null, invite: null })
    for (const type of ['m.room.canonical_alias', 'm.room.name', 'm.room.topic']) {
      expect((await alice.get(`/rooms/${roomId}/state/${type}`)).body.errcode).toBe('M_NOT_FOUND')
    }
  })

  test('guests make no rooms', async () => {
    const guest = await server.request('POST', '/register?kind=guest', {})
    const answer = await server.request('POST', '/createRoom', {}, guest.body.access_token)
    expect([answer.status, answer.body.errcode]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
  })
})
