import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

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

interface ClientEvent {
  readonly event_id: string
  readonly type: string
  readonly sender: string
  readonly state_key?: string
  readonly content: { readonly body?: string; readonly membership?: string }
}

const bodies = (events: readonly ClientEvent[]) => events.flatMap(({ content }) => content.body ?? [])

function messages(user: TestUser, roomId: string, query: Record<string, string>) {
  return user.get(`/rooms/${roomId}/messages?${new URLSearchParams(query)}`)
}

function context(user: TestUser, roomId: string, eventId: string, query = '') {
  return user.get(`/rooms/${roomId}/context/${encodeURIComponent(eventId)}${query}`)
}

async function talk(user: TestUser, roomId: string, count: number, word = 'm'): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index++) ids.push(await say(user, roomId, `${word}${index}`))
  return ids
}

describe('messages', () => {
  test('every event is found once in either direction, and an empty page is the end', async () => {
    const roomId = await publicRoom(alice)
    await talk(alice, roomId, 12)
    for (const dir of ['b', 'f']) {
      const found: ClientEvent[] = []
      let from: string | undefined
      for (let pages = 0; pages < 20; pages++) {
        const query = { dir, limit: '5', ...(from === undefined ? {} : { from }) }
        const { body } = await ok(messages(alice, roomId, query))
        found.push(...body.chunk)
        if (from !== undefined) expect(body.start).toBe(from)
        expect(body.start).toMatch(/^t/)
        if (body.end === undefined) break
        from = body.end
      }
      const texts = bodies(found)
      expect(dir === 'b' ? texts.reverse() : texts).toEqual(Array.from({ length: 12 }, (_none, index) => `m${index}`))
      expect(new Set(found.map(({ event_id: id }) => id)).size).toBe(found.length)
    }
  })

  test('takes the tokens of /sync, and stops where it is told', async () => {
    const roomId = await publicRoom(alice)
    await talk(alice, roomId, 3, 'a')
    const { next_batch: middle } = (await ok(alice.get('/sync?timeout=0'))).body
    await talk(alice, roomId, 3, 'b')
    const { next_batch: end } = (await ok(alice.get('/sync?timeout=0'))).body
    const backward = await ok(messages(alice, roomId, { dir: 'b', from: middle, limit: '3' }))
    expect(bodies(backward.body.chunk)).toEqual(['a2', 'a1', 'a0'])
    expect(backward.body.start).toBe(middle)
    expect(bodies((await messages(alice, roomId, { dir: 'f', from: middle })).body.chunk)).toEqual(['b0', 'b1', 'b2'])
    expect(bodies((await messages(alice, roomId, { dir: 'b', from: end, to: middle })).body.chunk)).toEqual([
      'b2',
      'b1',
      'b0',
    ])
  })

  test('filters by type, sender and room, and loads the members who speak', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    await say(bob, roomId, 'from bob')
    await say(carol, roomId, 'from carol')
    const filtered = async (filter: object) =>
      (await ok(messages(alice, roomId, { dir: 'b', limit: '50', filter: JSON.stringify(filter) }))).body
    expect(bodies((await filtered({ types: ['m.room.message'] })).chunk)).toEqual(['from carol', 'from bob'])
    expect(bodies((await filtered({ types: ['m.room.mess*'], not_senders: [carol.userId] })).chunk)).toEqual([
      'from bob',
    ])
    expect((await filtered({ rooms: ['!other:test.example'] })).chunk).toEqual([])
    expect((await filtered({ limit: 1 })).chunk).toHaveLength(1)
    const lazy = await filtered({ types: ['m.room.message'], lazy_load_members: true })
    expect(lazy.state.map((event: ClientEvent) => event.state_key).sort()).toEqual([bob.userId, carol.userId])
    expect((await filtered({})).state).toBeUndefined()
  })

  test('the creator is loaded with an event from before they joined', async () => {
    const roomId = await publicRoom(alice)
    const filter = JSON.stringify({ lazy_load_members: true })
    const { body } = await ok(messages(alice, roomId, { dir: 'f', limit: '1', filter }))
    expect(body.chunk.map(({ type }: ClientEvent) => type)).toEqual(['m.room.create'])
    expect(body.state.map((event: ClientEvent) => event.state_key)).toEqual([alice.userId])
  })

  test('hides what ignored users say, not what they do', async () => {
    const dora = await server.register('dora')
    const roomId = await publicRoom(alice, [bob, dora])
    await talk(bob, roomId, 1)
    await ok(dora.put(`/user/${dora.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } }))
    const { body } = await ok(messages(dora, roomId, { dir: 'b', limit: '50' }))
    expect(bodies(body.chunk)).toEqual([])
    expect(body.chunk.map((event: ClientEvent) => event.state_key)).toContain(bob.userId)
  })

  test.each([
    [{}, 'M_MISSING_PARAM'],
    [{ dir: 'x' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', limit: '-1' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', limit: '1e3' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', from: 'nonsense' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', from: 't1_99999999999999999' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', filter: '{' }, 'M_INVALID_PARAM'],
    [{ dir: 'b', filter: '{"types":7}' }, 'M_INVALID_PARAM'],
  ])('refuses %j', async (query, errcode) => {
    const roomId = await createRoom(alice)
    expect(await refusal(messages(alice, roomId, query as Record<string, string>))).toEqual([400, errcode])
  })
})

describe('who has left', () => {
  test('sees the room as it was, and no further', async () => {
    const roomId = await publicRoom(alice, [bob], { name: 'Before' })
    await say(alice, roomId, 'seen')
    await ok(bob.post(`/rooms/${roomId}/leave`))
    const late = await say(alice, roomId, 'not seen')
    await ok(setState(alice, roomId, 'm.room.name', { name: 'After' }))
    await ok(carol.post(`/rooms/${roomId}/join`))
    const after = (await ok(alice.get('/sync?timeout=0'))).body.next_batch
    await ok(alice.post(`/rooms/${roomId}/ban`, { user_id: bob.userId }))

    expect((await ok(bob.get(`/rooms/${roomId}/state/m.room.name`))).body).toEqual({ name: 'Before' })
    const state = (await ok(bob.get(`/rooms/${roomId}/state`))).body as ClientEvent[]
    expect(state.map(({ state_key: key }) => key)).not.toContain(carol.userId)
    for (const query of ['', `?at=${after}`]) {
      const members = (await ok(bob.get(`/rooms/${roomId}/members${query}`))).body.chunk as ClientEvent[]
      expect(members.map(({ state_key: key }) => key).sort()).toEqual([alice.userId, bob.userId])
    }
    expect(bodies((await ok(messages(bob, roomId, { dir: 'b', limit: '50' }))).body.chunk)).toEqual(['seen'])
    expect(await refusal(bob.get(`/rooms/${roomId}/event/${encodeURIComponent(late)}`))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(context(bob, roomId, late))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(bob.get(`/rooms/${roomId}/joined_members`))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(bob.get(`/rooms/${roomId}/aliases`))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('is not taken for a member when they had only been invited', async () => {
    const roomId = await createRoom(alice, { invite: [bob.userId] })
    const everything = [`/rooms/${roomId}/state`, `/rooms/${roomId}/members`, `/rooms/${roomId}/messages?dir=b`]
    for (const path of everything) expect(await refusal(bob.get(path))).toEqual([403, 'M_FORBIDDEN'])
    await ok(bob.post(`/rooms/${roomId}/leave`))
    for (const path of everything) expect(await refusal(bob.get(path))).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('world-readable rooms', () => {
  test('anybody with an account may look in, guests too', async () => {
    const visibility = { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }
    const roomId = await createRoom(alice, { initial_state: [visibility], room_alias_name: 'open' })
    const message = await say(alice, roomId, 'open')
    const { body } = await server.request('POST', '/register?kind=guest', {})
    const guest = server.as({ userId: body.user_id, deviceId: body.device_id, token: body.access_token })
    for (const viewer of [bob, guest]) {
      expect(bodies((await ok(messages(viewer, roomId, { dir: 'b' }))).body.chunk)).toEqual(['open'])
      expect((await ok(context(viewer, roomId, message))).body.event.event_id).toBe(message)
      await ok(viewer.get(`/rooms/${roomId}/event/${encodeURIComponent(message)}`))
      await ok(viewer.get(`/rooms/${roomId}/state`))
      await ok(viewer.get(`/rooms/${roomId}/state/m.room.create/`))
      await ok(viewer.get(`/rooms/${roomId}/members`))
    }
    expect((await ok(bob.get(`/rooms/${roomId}/aliases`))).body).toEqual({ aliases: ['#open:test.example'] })
    expect(await refusal(bob.get(`/rooms/${roomId}/joined_members`))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('history before joining stays closed where it is for joined members only', async () => {
    const visibility = { type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }
    const roomId = await publicRoom(alice, [], { initial_state: [visibility] })
    const before = await say(alice, roomId, 'before')
    await ok(bob.post(`/rooms/${roomId}/join`))
    await say(alice, roomId, 'after')
    expect(bodies((await ok(messages(bob, roomId, { dir: 'b', limit: '50' }))).body.chunk)).toEqual(['after'])
    expect(await refusal(context(bob, roomId, before))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(bob.get(`/rooms/${roomId}/event/${encodeURIComponent(before)}`))).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('context', () => {
  test('shows what is around an event, and tokens to go on from', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const ids = await talk(alice, roomId, 9)
    await say(bob, roomId, 'bob')
    const { body } = await ok(context(alice, roomId, ids[4] ?? '', '?limit=4'))
    expect(bodies(body.events_before)).toEqual(['m3', 'm2'])
    expect(body.event.content.body).toBe('m4')
    expect(bodies(body.events_after)).toEqual(['m5', 'm6'])
    expect(bodies((await ok(messages(alice, roomId, { dir: 'b', from: body.start, limit: '2' }))).body.chunk)).toEqual([
      'm1',
      'm0',
    ])
    expect(bodies((await ok(messages(alice, roomId, { dir: 'f', from: body.end }))).body.chunk)).toEqual([
      'm7',
      'm8',
      'bob',
    ])
    expect(body.state.map(({ type }: ClientEvent) => type)).toContain('m.room.create')
  })

  test('with a limit of 0 there is the event alone; lazy loading leaves silent members out', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const [id = ''] = await talk(bob, roomId, 1)
    const alone = (await ok(context(alice, roomId, id, '?limit=0'))).body
    expect([alone.events_before, alone.events_after]).toEqual([[], []])
    expect(bodies((await ok(messages(alice, roomId, { dir: 'f', from: alone.end }))).body.chunk)).toEqual([])
    const filter = encodeURIComponent('{"lazy_load_members":true}')
    const lazy = (await ok(context(alice, roomId, id, `?limit=0&filter=${filter}`))).body
    const members = lazy.state.filter(({ type }: ClientEvent) => type === 'm.room.member')
    expect(members.map((event: ClientEvent) => event.state_key)).toEqual([bob.userId])
    expect(lazy.state.length).toBeGreaterThan(4)
    expect(await refusal(context(alice, roomId, '$nothing'))).toEqual([404, 'M_NOT_FOUND'])
    const elsewhere = await publicRoom(alice)
    expect(await refusal(context(alice, elsewhere, id))).toEqual([404, 'M_NOT_FOUND'])
    const path = `/rooms/${elsewhere}/event/${encodeURIComponent(id)}`
    expect(await refusal(alice.get(path))).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('members', () => {
  test('by membership, and as they were at a token', async () => {
    const roomId = await publicRoom(alice, [bob])
    const { next_batch: at } = (await ok(alice.get('/sync?timeout=0'))).body
    await ok(bob.post(`/rooms/${roomId}/leave`))
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: carol.userId }))
    const members = async (query: string) => {
      const { body } = await ok(alice.get(`/rooms/${roomId}/members${query}`))
      return Object.fromEntries(body.chunk.map((event: ClientEvent) => [event.state_key, event.content.membership]))
    }
    const now = { [alice.userId]: 'join', [bob.userId]: 'leave', [carol.userId]: 'invite' }
    expect(await members('')).toEqual(now)
    expect(await members('?membership=invite')).toEqual({ [carol.userId]: 'invite' })
    expect(await members('?not_membership=leave')).toEqual({ [alice.userId]: 'join', [carol.userId]: 'invite' })
    expect(await members(`?at=${at}`)).toEqual({ [alice.userId]: 'join', [bob.userId]: 'join' })
    expect(await refusal(alice.get(`/rooms/${roomId}/members?membership=x`))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(alice.get(`/rooms/${roomId}/members?at=x`))).toEqual([400, 'M_INVALID_PARAM'])
    expect((await ok(alice.get(`/rooms/${roomId}/joined_members`))).body).toEqual({
      joined: { [alice.userId]: { display_name: 'alice', avatar_url: null } },
    })
  })
})
