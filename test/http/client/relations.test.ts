import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let carol: TestUser
let mallory: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  carol = await server.register('carol')
  mallory = await server.register('mallory')
})
afterAll(() => server.stop())

let count = 0
async function relate(user: TestUser, roomId: string, relType: string, eventId: string, more: object = {}) {
  const type = relType === 'm.annotation' ? 'm.reaction' : 'm.room.message'
  const content = {
    msgtype: 'm.text',
    body: 'child',
    'm.relates_to': { rel_type: relType, event_id: eventId, ...more },
  }
  return (await ok(user.put(`/rooms/${roomId}/send/${type}/rel${count++}`, content))).body.event_id as string
}
const v1 = (roomId: string, rest: string) => `/_matrix/client/v1/rooms/${roomId}/${rest}`
const idsOf = (body: { chunk: { event_id: string }[] }) => body.chunk.map(({ event_id }) => event_id)

describe('relations', () => {
  test('are narrowed by kind and type, newest or oldest first', async () => {
    const roomId = await publicRoom(alice, [bob])
    const root = await say(alice, roomId, 'root')
    const thread = await relate(bob, roomId, 'm.thread', root)
    const reaction = await relate(bob, roomId, 'm.annotation', root, { key: 'x' })
    const reference = await relate(alice, roomId, 'm.reference', root)
    const get = async (rest: string) => (await ok(bob.get(v1(roomId, `relations/${root}${rest}`)))).body
    expect(idsOf(await get(''))).toEqual([reference, reaction, thread])
    expect(idsOf(await get('?dir=f'))).toEqual([thread, reaction, reference])
    expect(idsOf(await get('/m.annotation'))).toEqual([reaction])
    expect(idsOf(await get('/m.thread/m.room.message'))).toEqual([thread])
    expect(idsOf(await get('/m.thread/m.reaction'))).toEqual([])
    expect(await get('/m.none')).toEqual({ chunk: [] })
    const bad = bob.get(v1(roomId, `relations/${root}?dir=x`))
    expect((await refusal(bad))[0]).toBe(400)
    expect(await refusal(bob.get(v1(roomId, `relations/${root}?from=x`)))).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('come in pages whose tokens lead through all of them once', async () => {
    const roomId = await publicRoom(alice)
    const root = await say(alice, roomId, 'root')
    const children: string[] = []
    for (let n = 0; n < 5; n++) children.push(await relate(alice, roomId, 'm.reference', root))
    for (const [dir, expected] of [
      ['b', [...children].reverse()],
      ['f', children],
    ] as const) {
      const seen: string[] = []
      for (let from: string | undefined = ''; from !== undefined; ) {
        const path: string = v1(roomId, `relations/${root}?dir=${dir}&limit=2&from=${from}`)
        const { body } = await ok(alice.get(path))
        expect(body.prev_batch).toBe(from || undefined)
        seen.push(...idsOf(body))
        from = body.next_batch
      }
      expect(seen).toEqual(expected)
    }
  })

  test('of relations are followed when asked for, and the depth is told only then', async () => {
    const roomId = await publicRoom(alice)
    const root = await say(alice, roomId, 'root')
    const child = await relate(alice, roomId, 'm.thread', root)
    const grandchild = await relate(alice, roomId, 'm.annotation', child, { key: 'x' })
    const direct = (await ok(alice.get(v1(roomId, `relations/${root}`)))).body
    expect(idsOf(direct)).toEqual([child])
    expect(direct.recursion_depth).toBeUndefined()
    const all = (await ok(alice.get(v1(roomId, `relations/${root}?recurse=true`)))).body
    expect(idsOf(all)).toEqual([grandchild, child])
    expect(all.recursion_depth).toBe(3)
    const narrowed = await ok(alice.get(v1(roomId, `relations/${root}/m.annotation?recurse=true`)))
    expect(idsOf(narrowed.body)).toEqual([grandchild])
  })

  test('leave out redacted events and those of ignored users', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const root = await say(alice, roomId, 'root')
    const kept = await relate(bob, roomId, 'm.reference', root)
    const redacted = await relate(bob, roomId, 'm.reference', root)
    await relate(carol, roomId, 'm.reference', root)
    await ok(bob.put(`/rooms/${roomId}/redact/${redacted}/r1`, {}))
    await ok(
      alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [carol.userId]: {} } }),
    )
    expect(idsOf((await ok(alice.get(v1(roomId, `relations/${root}`)))).body)).toEqual([kept])
    await ok(alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: {} }))
  })

  test('SECURITY 58, 63: outsiders and later members learn of none that they may not see', async () => {
    const roomId = await createRoom(alice, { preset: 'private_chat' })
    await ok(setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'joined' }))
    const before = await say(alice, roomId, 'before')
    await relate(alice, roomId, 'm.thread', before)
    expect(await refusal(mallory.get(v1(roomId, `relations/${before}`)))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(mallory.get(v1(roomId, 'threads')))).toEqual([403, 'M_FORBIDDEN'])
    expect(await refusal(mallory.get(v1(roomId, 'timestamp_to_event?ts=0&dir=f')))).toEqual([403, 'M_FORBIDDEN'])
    await ok(alice.post(`/rooms/${roomId}/invite`, { user_id: bob.userId }))
    await ok(bob.post(`/rooms/${roomId}/join`))
    expect(await refusal(bob.get(v1(roomId, `relations/${before}`)))).toEqual([404, 'M_NOT_FOUND'])
    expect((await ok(bob.get(v1(roomId, 'threads')))).body).toEqual({ chunk: [] })
    const root = await say(bob, roomId, 'after')
    const child = await relate(bob, roomId, 'm.thread', root)
    const seen = (await ok(alice.get(v1(roomId, `relations/${root}`)))).body.chunk
    expect(seen.map((event: { event_id: string }) => event.event_id)).toEqual([child])
    expect(seen[0].unsigned.transaction_id).toBeUndefined()
    const [thread] = (await ok(alice.get(v1(roomId, 'threads')))).body.chunk.filter(
      (event: { event_id: string }) => event.event_id === root,
    )
    expect(thread.unsigned['m.relations']['m.thread'].latest_event.unsigned?.transaction_id).toBeUndefined()
  })
})

describe('the list of threads', () => {
  test('has the one first that was written in last, in pages', async () => {
    const roomId = await publicRoom(alice, [bob])
    const roots: string[] = []
    for (const text of ['one', 'two', 'three']) roots.push(await say(alice, roomId, text))
    const [one = '', two = '', three = ''] = roots
    for (const root of [three, two, one]) await relate(bob, roomId, 'm.thread', root)
    const first = (await ok(alice.get(v1(roomId, 'threads?limit=2')))).body
    expect(idsOf(first)).toEqual([one, two])
    expect(first.chunk[0].unsigned['m.relations']['m.thread']).toMatchObject({
      count: 1,
      current_user_participated: true,
    })
    const second = (await ok(alice.get(v1(roomId, `threads?limit=2&from=${first.next_batch}`)))).body
    expect(idsOf(second)).toEqual([three])
    expect(second.next_batch).toBeUndefined()
    expect(await refusal(alice.get(v1(roomId, 'threads?from=x')))).toEqual([400, 'M_INVALID_PARAM'])
    expect((await refusal(alice.get(v1(roomId, 'threads?limit=0'))))[0]).toBe(400)
  })

  test('is narrowed to those in which the user has spoken', async () => {
    const roomId = await publicRoom(alice, [bob])
    const [mine, theirs] = [await say(bob, roomId, 'mine'), await say(alice, roomId, 'theirs')]
    const joined = await say(alice, roomId, 'joined')
    for (const root of [mine, theirs, joined]) await relate(alice, roomId, 'm.thread', root)
    await relate(bob, roomId, 'm.thread', joined)
    const { body } = await ok(bob.get(v1(roomId, 'threads?include=participated')))
    expect(idsOf(body)).toEqual([joined, mine])
  })

  test('shows the root of an ignored user as if it had been redacted, and knows nothing of what they answer', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const theirs = await say(carol, roomId, 'theirs')
    const mine = await say(alice, roomId, 'mine')
    await relate(bob, roomId, 'm.thread', theirs)
    await relate(carol, roomId, 'm.thread', mine)
    await ok(
      alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [carol.userId]: {} } }),
    )
    const { chunk } = (await ok(alice.get(v1(roomId, 'threads')))).body
    expect(chunk).toHaveLength(1)
    expect(chunk[0]).toMatchObject({ event_id: theirs, sender: carol.userId, content: {} })
    await ok(alice.put(`/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: {} }))
  })

  test('ends for somebody who has left where they left', async () => {
    const roomId = await publicRoom(alice, [bob])
    const root = await say(alice, roomId, 'root')
    await relate(alice, roomId, 'm.thread', root)
    const later = await say(alice, roomId, 'later')
    await ok(bob.post(`/rooms/${roomId}/leave`))
    await relate(alice, roomId, 'm.thread', later)
    expect(idsOf((await ok(bob.get(v1(roomId, 'threads')))).body)).toEqual([root])
  })
})

describe('the event nearest to a time', () => {
  test('is found in either direction', async () => {
    const roomId = await publicRoom(alice)
    const eventId = await say(alice, roomId, 'here')
    const { origin_server_ts: ts } = (await ok(alice.get(`/rooms/${roomId}/event/${eventId}`))).body
    const near = (rest: string) => alice.get(v1(roomId, `timestamp_to_event?${rest}`))
    expect((await ok(near(`ts=${ts + 1000}&dir=b`))).body).toEqual({ event_id: eventId, origin_server_ts: ts })
    expect(await refusal(near(`ts=${ts + 1000}&dir=f`))).toEqual([404, 'M_NOT_FOUND'])
    expect(await refusal(near('ts=5&dir=b'))).toEqual([404, 'M_NOT_FOUND'])
    const first = (await ok(near('ts=0&dir=f'))).body.event_id
    expect((await ok(alice.get(`/rooms/${roomId}/event/${first}`))).body.type).toBe('m.room.create')
    expect((await refusal(near('dir=f')))[0]).toBe(400)
  })
})
