import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say } from './rooms-support.js'

let server: TestServer
let admin: TestUser
let alice: TestUser
let bob: TestUser

beforeAll(async () => {
  server = await startTestServer()
  admin = await server.register('admin')
  await server.app.components.userapi.setAccountType(admin.userId as never, 'admin')
  admin = await server.login('admin')
  alice = await server.register('alice')
  bob = await server.register('bob')
})
afterAll(() => server.stop())

const path = '/_synapse/admin/v1/event_reports'

test('events, rooms and users are reported, and administrators list, read and delete the reports', async () => {
  const roomId = await publicRoom(alice, [bob], { name: 'Lounge' })
  const eventId = await say(bob, roomId, 'rude')
  await ok(alice.post(`/rooms/${roomId}/report/${eventId}`, { reason: 'rude', score: -50 }))
  await ok(alice.post(`/rooms/${roomId}/report`, { reason: 'noisy' }))
  await ok(alice.post(`/users/${bob.userId}/report`, { reason: 'spam\u0000' }))
  const { body } = await ok(admin.get(path))
  expect(body.total).toBe(3)
  expect(body.next_token).toBeUndefined()
  const [ofUser, ofRoom, ofEvent] = body.event_reports
  expect(ofEvent).toMatchObject({
    room_id: roomId,
    event_id: eventId,
    user_id: alice.userId,
    sender: bob.userId,
    reason: 'rude',
    score: -50,
    name: 'Lounge',
    canonical_alias: null,
  })
  expect(ofRoom).toMatchObject({ room_id: roomId, event_id: null, sender: null, reason: 'noisy' })
  expect(ofUser).toMatchObject({ room_id: null, event_id: null, sender: bob.userId, reason: 'spam\u0000' })
  const page = (await ok(admin.get(`${path}?limit=2&dir=f&room_id=${encodeURIComponent(roomId)}`))).body
  expect(page.event_reports.map(({ id }: { id: number }) => id)).toEqual([ofEvent.id, ofRoom.id])
  expect((await ok(admin.get(`${path}?limit=1`))).body.next_token).toBe(1)
  const detail = (await ok(admin.get(`${path}/${ofEvent.id}`))).body
  expect(detail.event_json.content.body).toBe('rude')
  await ok(admin.delete(`${path}/${ofEvent.id}`))
  expect(await refusal(admin.get(`${path}/${ofEvent.id}`))).toEqual([404, 'M_NOT_FOUND'])
  expect(await refusal(admin.delete(`${path}/${ofEvent.id}`))).toEqual([404, 'M_NOT_FOUND'])
  expect(await refusal(admin.get(`${path}/x`))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.get(path))).toEqual([403, 'M_FORBIDDEN'])
})

test('only members report events, and nobody learns what exists', async () => {
  const roomId = await createRoom(alice, { preset: 'private_chat' })
  const eventId = await say(alice, roomId, 'secret')
  const { total } = (await ok(admin.get(path))).body
  const reason = { reason: 'x' }
  expect(await refusal(bob.post(`/rooms/${roomId}/report/${eventId}`, reason))).toEqual([404, 'M_NOT_FOUND'])
  expect(await refusal(alice.post(`/rooms/${roomId}/report/$unknown`, reason))).toEqual([404, 'M_NOT_FOUND'])
  expect((await ok(bob.post('/rooms/!unknown:test.example/report', reason))).body).toEqual({})
  expect((await ok(bob.post('/users/@nobody:test.example/report', reason))).body).toEqual({})
  expect((await ok(admin.get(path))).body.total).toBe(total)
  expect(await refusal(bob.post('/users/@nobody:test.example/report', {}))).toEqual([400, 'M_BAD_JSON'])
  expect(await refusal(alice.post(`/rooms/${roomId}/report/${eventId}`, { score: 5 }))).toEqual([400, 'M_BAD_JSON'])
  expect(await refusal(alice.post(`/rooms/${roomId}/report/${eventId}`, { reason: {} }))).toEqual([400, 'M_BAD_JSON'])
})
