import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { statement } from '../../../src/platform/statement.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

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

const INDEXED_WORDS = statement<{ words: string }>(
  'test.search.words',
  'SELECT words::text AS words FROM search.messages',
)

async function search(user: TestUser, term: string, more: object = {}, query = '') {
  await server.settle()
  const body = { search_categories: { room_events: { search_term: term, ...more } } }
  return (await ok(user.post(`/search${query}`, body))).body.search_categories.room_events
}
const idsOf = (found: { results: { result: { event_id: string } }[] }) =>
  found.results.map(({ result }) => result.event_id)

describe('searching messages', () => {
  test('finds words in any form and order, and names and topics where asked', async () => {
    const roomId = await publicRoom(alice, [bob], { name: 'Giraffe house' })
    const running = await say(bob, roomId, 'The giraffes are running')
    await say(bob, roomId, 'something else')
    const found = await search(alice, 'run giraffe', { keys: ['content.body'] })
    expect(idsOf(found)).toEqual([running])
    expect(found.count).toBe(1)
    expect(found.highlights).toEqual(['run', 'giraffe'])
    expect(found.results[0].rank).toBeGreaterThan(0)
    const names = await search(alice, 'giraffe', { keys: ['content.name'] })
    expect(names.results[0].result.type).toBe('m.room.name')
    expect((await search(alice, 'giraffe')).count).toBe(2)
    expect(await search(alice, '')).toMatchObject({ count: 0, results: [] })
    expect(await search(alice, "'\u0000!&|:*")).toMatchObject({ count: 0, results: [] })
  })

  test('comes newest first in pages, and filtered', async () => {
    const roomId = await publicRoom(alice, [bob])
    const other = await publicRoom(alice)
    const sent: string[] = []
    for (let n = 0; n < 5; n++) sent.push(await say(n === 2 ? bob : alice, roomId, `walrus ${n}`))
    const elsewhere = await say(alice, other, 'walrus elsewhere')
    const filter = { rooms: [roomId], limit: 2 }
    const seen: string[] = []
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page: { next_batch?: string; results: { result: { event_id: string } }[] } = await search(
        alice,
        'walrus',
        { order_by: 'recent', filter },
        `?next_batch=${next}`,
      )
      seen.push(...idsOf(page))
      next = page.next_batch
    }
    expect(seen).toEqual([...sent].reverse())
    expect(idsOf(await search(alice, 'walrus', { filter: { senders: [bob.userId] } }))).toEqual([sent[2]])
    expect(idsOf(await search(alice, 'walrus', { filter: { not_rooms: [roomId] } }))).toEqual([elsewhere])
    expect(idsOf(await search(alice, 'walrus', { filter: { types: ['m.room.name'] } }))).toEqual([])
    const grouped = await search(alice, 'walrus', { groupings: { group_by: [{ key: 'room_id' }] }, order_by: 'recent' })
    expect(grouped.groups.room_id[roomId].results).toEqual([...sent].reverse())
    expect(grouped.groups.room_id[other].results).toEqual([elsewhere])
    expect(await refusal(alice.post('/search?next_batch=x', { search_categories: {} }))).toEqual([
      400,
      'M_INVALID_PARAM',
    ])
    expect(await refusal(alice.post('/search', {}))).toEqual([400, 'M_BAD_JSON'])
  })

  test('shows what was said around, by whom, and the state', async () => {
    const roomId = await publicRoom(alice, [bob])
    const [before, match, after] = [
      await say(alice, roomId, 'before'),
      await say(bob, roomId, 'an okapi'),
      await say(alice, roomId, 'after'),
    ]
    const found = await search(alice, 'okapi', {
      include_state: true,
      event_context: { before_limit: 1, after_limit: 5, include_profile: true },
    })
    expect(idsOf(found)).toEqual([match])
    const { context } = found.results[0]
    expect(context.events_before.map((event: { event_id: string }) => event.event_id)).toEqual([before])
    expect(context.events_after.map((event: { event_id: string }) => event.event_id)).toEqual([after])
    expect(Object.keys(context.profile_info).sort()).toEqual([alice.userId, bob.userId])
    expect(context.start).toMatch(/^t/)
    expect(found.state[roomId].some((event: { type: string }) => event.type === 'm.room.create')).toBe(true)
  })

  test('SECURITY 58: shows nobody what they could not read otherwise', async () => {
    const roomId = await createRoom(alice, { preset: 'private_chat' })
    await ok(setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'joined' }))
    const hidden = await say(alice, roomId, 'an aardvark before')
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))
    await ok(bob.post(`/rooms/${roomId}/join`))
    const seen = await say(alice, roomId, 'an aardvark now')
    await ok(bob.post(`/rooms/${roomId}/leave`))
    await say(alice, roomId, 'an aardvark later')
    expect(idsOf(await search(bob, 'aardvark'))).toEqual([seen])
    expect(idsOf(await search(alice, 'aardvark'))).toContain(hidden)
    expect(idsOf(await search(mallory, 'aardvark'))).toEqual([])
    expect(idsOf(await search(mallory, 'aardvark', { filter: { rooms: [roomId] } }))).toEqual([])
  })

  test('SECURITY 59, 70: knows nothing of a redacted message any more', async () => {
    const roomId = await publicRoom(alice, [bob])
    const eventId = await say(alice, roomId, 'zebra')
    expect(idsOf(await search(bob, 'zebra'))).toEqual([eventId])
    await ok(alice.put(`/rooms/${roomId}/redact/${eventId}/gone`, {}))
    expect(await search(bob, 'zebra')).toMatchObject({ count: 0, results: [] })
    const words = await server.database.run(INDEXED_WORDS)
    expect(JSON.stringify(words)).not.toContain('zebra')
  })

  test('SECURITY 92: gives no more context than is reasonable', async () => {
    const roomId = await publicRoom(alice)
    await say(alice, roomId, 'an axolotl')
    for (let n = 0; n < 25; n++) await say(alice, roomId, `after ${n}`)
    const [result] = (await search(alice, 'axolotl', { event_context: { before_limit: 1e9, after_limit: 1e9 } }))
      .results
    expect(result.context.events_after).toHaveLength(20)
  })

  test('leaves out whom the user ignores', async () => {
    const roomId = await publicRoom(alice, [mallory])
    await say(mallory, roomId, 'a platypus')
    const ignore = (users: object) =>
      ok(alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: users }))
    await ignore({ [mallory.userId]: {} })
    expect(idsOf(await search(alice, 'platypus'))).toEqual([])
    await ignore({})
    expect(idsOf(await search(alice, 'platypus'))).toHaveLength(1)
  })

  test('costs a message one statement, and goes on after a restart', async () => {
    const roomId = await publicRoom(alice)
    const sent = await server.statements(() => say(alice, roomId, 'a pangolin'))
    expect(sent.filter((name) => name.startsWith('search.'))).toEqual(['search.messages.index_batch'])
    await server.restart()
    const again = await say(alice, roomId, 'another pangolin')
    expect(idsOf(await search(alice, 'pangolin', { order_by: 'recent' }))).toContain(again)
    expect((await search(alice, 'pangolin')).count).toBe(2)
  })
})

test('switched off, messages are neither indexed nor searched, and users are still found', async () => {
  const off = await startTestServer({
    yaml: `
version: 2
global: { server_name: test.example }
client_api: { registration_disabled: false, rate_limiting: { enabled: false } }
sync_api: { search: { enabled: false } }
`,
  })
  try {
    const user = await off.register('erin')
    const roomId = await publicRoom(user)
    await say(user, roomId, 'a wombat')
    await off.settle()
    expect(await off.database.run(INDEXED_WORDS)).toEqual([])
    expect(await refusal(user.post('/search', { search_categories: {} }))).toEqual([404, 'M_UNRECOGNIZED'])
    const found = await ok(user.post('/user_directory/search', { search_term: 'erin' }))
    expect(found.body.results).toEqual([{ user_id: user.userId, display_name: 'erin' }])
  } finally {
    await off.stop()
  }
})

describe('the user directory', () => {
  interface Found {
    results: { user_id: string; display_name?: string; avatar_url?: string }[]
    limited: boolean
  }
  const find = async (user: TestUser, term: string, limit?: number): Promise<Found> => {
    await server.settle()
    return (await ok(user.post('/user_directory/search', { search_term: term, ...(limit && { limit }) }))).body
  }
  const named = async (name: string, displayName: string) => {
    const user = await server.register(name)
    await ok(user.put(`/profile/${user.userId}/displayname`, { displayname: displayName }))
    return user
  }

  test('finds members of public rooms and those with whom one shares a room, and nobody else', async () => {
    const open = await named('open', 'Quetzal Open')
    const shared = await named('shared', 'Quetzal Shared')
    const hidden = await named('hidden', 'Quetzal Hidden')
    const roomId = await publicRoom(open)
    const together = await createRoom(shared, { preset: 'private_chat', invite: [alice.userId] })
    await ok(alice.post(`/rooms/${together}/join`))
    await createRoom(hidden, { preset: 'private_chat' })
    const who = async (user: TestUser) => (await find(user, 'quetzal')).results.map(({ user_id }) => user_id).sort()
    expect(await who(alice)).toEqual([open.userId, shared.userId])
    expect(await who(bob)).toEqual([open.userId])
    await ok(setState(open, roomId, 'm.room.join_rules', { join_rule: 'invite' }))
    expect(await who(bob)).toEqual([])
    await ok(setState(open, roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' }))
    expect(await who(bob)).toEqual([open.userId])
    await ok(open.post(`/rooms/${roomId}/leave`))
    expect(await who(bob)).toEqual([])
  })

  test('ignores case and accents, knows the closest, and follows changes of the name', async () => {
    const [rene, renee] = [await named('r1', 'René'), await named('r2', 'Renée Léa')]
    await publicRoom(rene, [renee])
    expect((await find(bob, 'RENE')).results).toEqual([
      { user_id: rene.userId, display_name: 'René' },
      { user_id: renee.userId, display_name: 'Renée Léa' },
    ])
    expect((await find(bob, 'lea rene')).results.map(({ user_id }) => user_id)).toEqual([renee.userId])
    expect((await find(bob, renee.userId)).results.map(({ user_id }) => user_id)).toEqual([renee.userId])
    const limited = await find(bob, 'ren', 1)
    expect([limited.results.length, limited.limited]).toEqual([1, true])
    await ok(rene.put(`/profile/${rene.userId}/displayname`, { displayname: 'Somebody' }))
    expect((await find(bob, 'rené')).results.map(({ user_id }) => user_id)).toEqual([renee.userId])
    expect((await find(bob, '%')).results).toEqual([])
    expect((await find(bob, ' ')).results).toEqual([])
    expect(await refusal(bob.post('/user_directory/search', {}))).toEqual([400, 'M_BAD_JSON'])
  })

  test('knows users by their profile, not by what they are called in one room', async () => {
    const carol = await named('carol', 'Carol')
    const roomId = await createRoom(carol, { preset: 'public_chat' })
    const member = { membership: 'join', displayname: 'Secret Xylophone' }
    await ok(setState(carol, roomId, 'm.room.member', member, carol.userId))
    expect((await find(bob, 'xylophone')).results).toEqual([])
    expect((await find(bob, 'carol')).results[0]?.display_name).toBe('Carol')
  })
})
