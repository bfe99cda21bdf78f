import { afterAll, beforeAll, expect, it } from 'vitest'
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

async function room(history_visibility: string): Promise<string> {
  const initial_state = [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility } }]
  return (await alice.post('/createRoom', { preset: 'public_chat', initial_state })).body.room_id
}

async function say(roomId: string, body: string): Promise<void> {
  await alice.put(`/rooms/${roomId}/send/m.room.message/${body}`, { msgtype: 'm.text', body })
}

it('a device follows a world-readable room, other devices do not', async () => {
  const roomId = await room('world_readable')
  const other = await server.login('bob')
  const { next_batch } = (await bob.get('/sync')).body
  const poll = bob.get(`/sync?since=${next_batch}&timeout=20000`)
  await server.settle()
  expect((await bob.post(`/peek/${roomId}`)).body).toEqual({ room_id: roomId })
  const first = (await poll).body
  expect(first.rooms.peek[roomId].timeline.events[0].type).toBe('m.room.create')
  expect(first.rooms.join).toBeUndefined()
  const next = bob.get(`/sync?since=${first.next_batch}&timeout=20000`)
  await server.settle()
  await say(roomId, 'hello')
  const second = (await next).body
  expect(second.rooms.peek[roomId].timeline.events.map((event: { content: object }) => event.content)).toEqual([
    { msgtype: 'm.text', body: 'hello' },
  ])
  expect((await other.get('/sync')).body.rooms).toBeUndefined()
  await server.restart()
  await say(roomId, 'again')
  const third = (await bob.get(`/sync?since=${second.next_batch}`)).body
  expect(third.rooms.peek[roomId].timeline.events).toHaveLength(1)
  await bob.post(`/rooms/${roomId}/unpeek`)
  await say(roomId, 'unheard')
  expect((await bob.get(`/sync?since=${third.next_batch}`)).body.rooms).toBeUndefined()
})

it('whoever joins sees the room as joined, and nobody peeks when it is closed', async () => {
  const roomId = await room('world_readable')
  const { next_batch } = (await bob.get('/sync')).body
  await bob.post(`/peek/${roomId}`)
  await bob.post(`/join/${roomId}`)
  const joined = (await bob.get(`/sync?since=${next_batch}`)).body
  expect(joined.rooms.peek).toBeUndefined()
  expect(joined.rooms.join[roomId]).toBeDefined()
  const closing = await room('world_readable')
  await bob.post(`/peek/${closing}`)
  const before = (await bob.get('/sync')).body
  expect(before.rooms.peek[closing]).toBeDefined()
  await alice.put(`/rooms/${closing}/state/m.room.history_visibility`, { history_visibility: 'joined' })
  await say(closing, 'secret')
  const after = (await bob.get(`/sync?since=${before.next_batch}`)).body
  expect(after.rooms?.peek).toBeUndefined()
})

it('only world-readable rooms can be peeked into', async () => {
  for (const visibility of ['shared', 'invited', 'joined']) {
    const { status, body } = await bob.post(`/peek/${await room(visibility)}`)
    expect([visibility, status, body.errcode]).toEqual([visibility, 403, 'M_FORBIDDEN'])
  }
  expect((await bob.post('/peek/!nowhere:test.example')).body.errcode).toBe('M_NOT_FOUND')
})
