import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Route } from '../../../src/http/route.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { ok, publicRoom, refusal, say } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let roomId: string
let eventId: string

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  roomId = await publicRoom(alice, [], { room_alias_name: 'room' })
  eventId = await say(alice, roomId, 'hello')
})
afterAll(() => server.stop())

const ABOUT_ROOMS = /\/(rooms\/|createRoom|join|knock|directory|publicRooms)/

/** Values that are none of what is asked for, as they stand in a path. */
const HOSTILE_SEGMENTS = ['%00', '%F0%9F%92%A9', '!a%00b:test.example', '%ED%A0%80', '__proto__', 'x'.repeat(300), '-1']
const HOSTILE_VALUES = [null, 7, '', '\u0000', '\ud800', [null], { a: [] }]
const BODY_FIELDS = [
  ['user_id', 'room_id', 'reason', 'visibility', 'third_party_signed', 'limit', 'since', 'filter'],
  ['name', 'topic', 'invite', 'room_version', 'preset', 'initial_state', 'creation_content', 'membership', 'redacts'],
  ['power_level_content_override', 'room_alias_name', 'is_direct', 'invite_3pid', 'displayname', 'alias', 'users'],
].flat()

function routesAboutRooms(): Route[] {
  return server.app.routes.filter(({ path }) => ABOUT_ROOMS.test(path) && !path.includes('room_keys'))
}

/** The path with what is right, save for one parameter. */
function pathsOf(path: string): string[] {
  const right: Record<string, string> = { roomId, eventId, roomIdOrAlias: roomId, roomAlias: '#room:test.example' }
  const fill = (wrong?: string, segment = '') =>
    path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
      return name === wrong ? segment : encodeURIComponent(right[name] ?? 'm.room.topic')
    })
  const names = [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? [])
  return [fill(), ...names.flatMap((name) => HOSTILE_SEGMENTS.map((segment) => fill(name, segment)))]
}

test('no value in a path is a failure of the server (F45, F47)', async () => {
  for (const { method, path } of routesAboutRooms()) {
    for (const concrete of pathsOf(path)) {
      const { status, body } = await server.request(
        method,
        `${concrete}?dir=b`,
        method === 'GET' ? undefined : {},
        alice.token,
      )
      expect(status, `${method} ${concrete} ${JSON.stringify(body)}`).toBeLessThan(500)
      if (status !== 200) expect(body.errcode, concrete).toMatch(/^M_/)
      // What was taken may have been a leave.
      if (method === 'POST') await alice.post(`/rooms/${roomId}/join`)
    }
  }
})

test('no value in a body is a failure of the server (F44, F45)', async () => {
  const withBody = routesAboutRooms().filter(({ body }) => body !== undefined)
  for (const { method, path } of withBody) {
    const [concrete = ''] = pathsOf(path)
    for (const field of BODY_FIELDS) {
      for (const value of HOSTILE_VALUES) {
        const body = JSON.stringify({ user_id: '@bob:test.example', membership: 'join', [field]: value })
        const answer = await server.request(method, concrete, body, alice.token)
        expect(answer.status, `${method} ${concrete} ${body.slice(0, 200)} ${answer.body.error}`).toBeLessThan(500)
      }
    }
    if (method === 'POST') await alice.post(`/rooms/${roomId}/join`)
  }
})

test.each([
  ['limit=99999999999999999999', 400],
  ['limit=0', 200],
  ['from=s99999999999999999', 400],
  ['from=s9007199254740991', 200],
  ['from=t9007199254740991_9007199254740991', 200],
  ['from=t0_-9007199254740991', 200],
  ['filter=%7B%22types%22%3A%5B%22%5Cu0000%22%2C%22%2A%22%5D%7D', 200],
  ['filter=%5B%5D', 400],
])('messages with %s', async (query, status) => {
  for (const dir of ['b', 'f']) {
    const answer = await alice.get(`/rooms/${roomId}/messages?dir=${dir}&${query}`)
    expect(answer.status, JSON.stringify(answer.body)).toBe(status)
    if (answer.body.end === undefined) continue
    await ok(alice.get(`/rooms/${roomId}/messages?dir=${dir}&from=${answer.body.end}`))
  }
})

test('what only state may be is no message', async () => {
  for (const type of ['m.room.create', 'm.room.member']) {
    const sent = alice.put(`/rooms/${roomId}/send/${type}/${type}`, { membership: 'join' })
    expect(await refusal(sent)).toEqual([403, 'M_FORBIDDEN'])
  }
})

test('the largest room that one request may make does not hold up the others', async () => {
  const content = { text: 'x'.repeat(500) }
  const initialState = Array.from({ length: 500 }, (_none, index) => ({ type: 'a.b', state_key: `${index}`, content }))
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  await ok(alice.post('/createRoom', { initial_state: initialState }))
  clearInterval(timer)
  expect(longest).toBeLessThan(200)
  const tooMany = [...initialState, ...initialState]
  expect(await refusal(alice.post('/createRoom', { initial_state: tooMany }))).toEqual([400, 'M_INVALID_PARAM'])
})
