import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, getState, ok, publicRoom, refusal, setState } from './rooms-support.js'

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

const aliasPath = (name: string, host = 'test.example') => `/directory/room/${encodeURIComponent(`#${name}:${host}`)}`

describe('aliases', () => {
  test('any member may give one, and only they or a moderator may take it away', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    await ok(bob.put(aliasPath('bóbs'), { room_id: roomId }))
    const found = await ok(server.request('GET', aliasPath('bóbs')))
    expect(found.body).toEqual({ room_id: roomId, servers: ['test.example'] })
    expect(await refusal(carol.put(aliasPath('bóbs'), { room_id: roomId }))).toEqual([409, 'M_UNKNOWN'])
    expect(await refusal(carol.delete(aliasPath('bóbs')))).toEqual([403, 'M_FORBIDDEN'])
    expect((await ok(carol.get(`/rooms/${roomId}/aliases`))).body).toEqual({ aliases: ['#bóbs:test.example'] })
    await ok(bob.delete(aliasPath('bóbs')))
    expect(await refusal(bob.delete(aliasPath('bóbs')))).toEqual([404, 'M_NOT_FOUND'])
    await ok(bob.put(aliasPath('bóbs'), { room_id: roomId }))
    await ok(alice.delete(aliasPath('bóbs')))
  })

  test('outsiders give none, and nobody gives one of another server', async () => {
    const roomId = await publicRoom(alice)
    expect(await refusal(bob.put(aliasPath('mine'), { room_id: roomId }))).toEqual([403, 'M_FORBIDDEN'])
    const unknown = { room_id: '!unknown:test.example' }
    expect(await refusal(bob.put(aliasPath('mine'), unknown))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(alice.put(aliasPath('x', 'elsewhere'), { room_id: roomId }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(alice.put('/directory/room/x', { room_id: roomId }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(alice.put(aliasPath('x'.repeat(255)), { room_id: roomId }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(alice.put(aliasPath('x'), {}))).toEqual([400, 'M_BAD_JSON'])
    expect(await refusal(alice.get(aliasPath('x', 'elsewhere')))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('one that is deleted leaves the canonical alias, where the user has the power', async () => {
    const roomId = await publicRoom(alice, [bob], { room_alias_name: 'main' })
    await ok(bob.put(aliasPath('other'), { room_id: roomId }))
    const content = { alias: '#main:test.example', alt_aliases: ['#other:test.example'] }
    await ok(setState(alice, roomId, 'm.room.canonical_alias', content))
    await ok(bob.delete(aliasPath('other')))
    expect((await getState(alice, roomId, 'm.room.canonical_alias')).body).toEqual(content)
    await ok(alice.delete(aliasPath('main')))
    expect((await getState(alice, roomId, 'm.room.canonical_alias')).body).toEqual({
      alt_aliases: ['#other:test.example'],
    })
  })
})

describe('the list of published rooms', () => {
  const listPath = (roomId: string) => `/directory/list/room/${roomId}`

  test('is changed by moderators only', async () => {
    const roomId = await publicRoom(alice, [bob])
    const visibility = async () => (await ok(server.request('GET', listPath(roomId)))).body.visibility
    expect(await visibility()).toBe('private')
    expect(await refusal(bob.put(listPath(roomId), { visibility: 'public' }))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(carol.put(listPath(roomId), { visibility: 'public' }))).toEqual([403, 'M_FORBIDDEN'])
    await ok(alice.put(listPath(roomId), {}))
    expect(await visibility()).toBe('public')
    await ok(alice.put(listPath(roomId), { visibility: 'private' }))
    expect(await visibility()).toBe('private')
    expect(await refusal(alice.put(listPath(roomId), { visibility: 'x' }))).toEqual([400, 'M_BAD_JSON'])
    const unknown = listPath('!unknown:test.example')
    expect(await refusal(server.request('GET', unknown))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(alice.put(unknown, {}))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('shows what there is to a room, in pages, and finds it by words and by type', async () => {
    const big = await publicRoom(alice, [bob], {
      visibility: 'public',
      name: 'Gardening',
      topic: 'Tomatoes',
      room_alias_name: 'garden',
      initial_state: [
        { type: 'm.room.avatar', content: { url: 'mxc://test.example/a' } },
        { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
      ],
    })
    const space = await createRoom(alice, {
      visibility: 'public',
      creation_content: { type: 'm.space' },
      name: 'Space',
    })
    const all = (await ok(server.request('GET', '/publicRooms'))).body
    expect(all.total_room_count_estimate).toBe(2)
    expect(all.chunk[0]).toEqual({
      room_id: big,
      num_joined_members: 2,
      world_readable: true,
      guest_can_join: false,
      join_rule: 'public',
      name: 'Gardening',
      topic: 'Tomatoes',
      canonical_alias: '#garden:test.example',
      avatar_url: 'mxc://test.example/a',
    })
    expect(all.chunk[1]).toMatchObject({ room_id: space, room_type: 'm.space' })
    const first = (await ok(server.request('GET', '/publicRooms?limit=1'))).body
    expect(first.chunk[0].room_id).toBe(big)
    const second = (await ok(alice.post('/publicRooms', { limit: 1, since: first.next_batch }))).body
    expect(second.chunk[0].room_id).toBe(space)
    expect(second.next_batch).toBeUndefined()
    const back = (await ok(alice.post('/publicRooms', { limit: 1, since: second.prev_batch }))).body
    expect(back.chunk[0].room_id).toBe(big)
    const query = async (filter: object) =>
      (await ok(alice.post('/publicRooms', { filter }))).body.chunk.map((room: { room_id: string }) => room.room_id)
    expect(await query({ generic_search_term: 'TOMATO' })).toEqual([big])
    expect(await query({ room_types: ['m.space'] })).toEqual([space])
    expect(await query({ room_types: [null] })).toEqual([big])
    expect((await ok(alice.post('/publicRooms?server=test.example', {}))).body.chunk).toHaveLength(2)
    expect((await ok(alice.post('/publicRooms', { third_party_instance_id: 'irc' }))).body.chunk).toEqual([])
  })

  test.each([
    ['?limit=-1', [400, 'M_INVALID_PARAM']],
    ['?limit=x', [400, 'M_INVALID_PARAM']],
    ['?since=x', [400, 'M_INVALID_PARAM']],
    ['?server=elsewhere.example', [403, 'M_FORBIDDEN']],
  ] as const)('refuses %s', async (query, expected) => {
    expect(await refusal(server.request('GET', `/publicRooms${query}`))).toEqual(expected)
  })

  test('the query needs an account', async () => {
    expect(await refusal(server.request('POST', '/publicRooms', {}))).toEqual([401, 'M_MISSING_TOKEN'])
    expect(await refusal(alice.post('/publicRooms', { limit: 'x' }))).toEqual([400, 'M_BAD_JSON'])
    const networks = { include_all_networks: true, third_party_instance_id: 'irc' }
    expect(await refusal(alice.post('/publicRooms', networks))).toEqual([400, 'M_INVALID_PARAM'])
  })
})
