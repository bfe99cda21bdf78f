import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say } from './rooms-support.js'

let server: TestServer
let users = 0
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const user = (): Promise<TestUser> => server.register(`pusher${users++}`)

const PUSHER = {
  kind: 'http',
  app_id: 'org.example.app',
  pushkey: 'a key',
  app_display_name: 'App',
  device_display_name: 'Phone',
  profile_tag: 'tag',
  lang: 'en',
  data: { url: 'https://push.example/_matrix/push/v1/notify', format: 'event_id_only', custom: { deep: [1] } },
}

async function pushersOf(of: TestUser): Promise<Record<string, unknown>[]> {
  return (await ok(of.get('/pushers'))).body.pushers
}

const set = (of: TestUser, changes: object = {}) => of.post('/pushers/set', { ...PUSHER, ...changes })

it('a pusher is shown as it was set, changed, and deleted', async () => {
  const alice = await user()
  expect(await pushersOf(alice)).toEqual([])
  expect((await ok(set(alice))).body).toEqual({})
  const shown = { 'org.matrix.msc3881.enabled': true, 'org.matrix.msc3881.device_id': alice.deviceId }
  expect(await pushersOf(alice)).toEqual([{ ...PUSHER, ...shown }])
  await ok(set(alice, { lang: 'fr' }))
  expect(await pushersOf(alice)).toEqual([{ ...PUSHER, ...shown, lang: 'fr' }])
  await ok(alice.post('/pushers/set', { kind: null, app_id: PUSHER.app_id, pushkey: PUSHER.pushkey }))
  await ok(alice.post('/pushers/set', { kind: null, app_id: PUSHER.app_id, pushkey: PUSHER.pushkey }))
  expect(await pushersOf(alice)).toEqual([])
})

it('the same app and key of another user ends the first, unless they are appended', async () => {
  const [alice, bob, carol] = [await user(), await user(), await user()]
  const pushkey = 'shared'
  await ok(set(alice, { pushkey }))
  await ok(set(bob, { pushkey, append: true }))
  expect([await pushersOf(alice), await pushersOf(bob)].map(({ length }) => length)).toEqual([1, 1])
  await ok(set(carol, { pushkey }))
  const left = [await pushersOf(alice), await pushersOf(bob), await pushersOf(carol)]
  expect(left.map(({ length }) => length)).toEqual([0, 0, 1])
})

it('a pusher ends with its login; one session may switch that of another, which stays with it (MSC3881)', async () => {
  const alice = await user()
  const phone = await server.login(alice.userId)
  await ok(set(phone))
  await ok(set(alice, { 'org.matrix.msc3881.enabled': false }))
  const switched = { 'org.matrix.msc3881.enabled': false, 'org.matrix.msc3881.device_id': phone.deviceId }
  expect(await pushersOf(alice)).toEqual([{ ...PUSHER, ...switched }])
  // Who does not speak of it leaves it as it is.
  await ok(set(alice))
  expect(await pushersOf(alice)).toEqual([{ ...PUSHER, ...switched }])
  await ok(phone.post('/logout'))
  expect(await pushersOf(alice)).toEqual([])
  await ok(set(alice))
  expect(await pushersOf(alice)).toMatchObject([{ 'org.matrix.msc3881.device_id': alice.deviceId }])
})

it('a new password ends the pushers of other logins, not that of the one that sets it', async () => {
  const alice = await user()
  const other = await server.login(alice.userId)
  await ok(set(alice, { pushkey: 'mine' }))
  await ok(set(other, { pushkey: 'theirs' }))
  const identifier = { type: 'm.id.user', user: alice.userId }
  const auth = { type: 'm.login.password', identifier, password: 'correct horse battery' }
  await ok(alice.post('/account/password', { auth, new_password: 'another horse battery' }))
  expect(await pushersOf(alice)).toMatchObject([{ pushkey: 'mine' }])
})

it('what is missing, too long or no gateway is refused, and nothing is stored', async () => {
  const alice = await user()
  const missing = (name: string) => set(alice, { [name]: undefined })
  for (const name of ['app_display_name', 'device_display_name', 'lang', 'data']) {
    expect(await refusal(missing(name)), name).toEqual([400, 'M_MISSING_PARAM'])
  }
  for (const name of ['kind', 'app_id', 'pushkey']) expect((await missing(name)).status, name).toBe(400)
  expect(await refusal(set(alice, { data: {} }))).toEqual([400, 'M_MISSING_PARAM'])
  for (const url of [
    'ftp://push.example/_matrix/push/v1/notify',
    'https://push.example/elsewhere',
    'https://me:secret@push.example/_matrix/push/v1/notify',
    'nonsense',
  ]) {
    expect(await refusal(set(alice, { data: { url } })), url).toEqual([400, 'M_INVALID_PARAM'])
  }
  for (const kind of ['email', 'pigeon']) {
    expect(await refusal(set(alice, { kind })), kind).toEqual([400, 'M_INVALID_PARAM'])
  }
  for (const [name, length] of [
    ['app_id', 65],
    ['pushkey', 513],
    ['lang', 1_025],
    ['app_display_name', 1_000_000],
  ] as const) {
    expect((await set(alice, { [name]: 'x'.repeat(length) })).status, name).toBe(400)
  }
  for (const changes of [{ pushkey: '\ud800' }, { data: { ...PUSHER.data, custom: '\ud800' } }]) {
    expect((await set(alice, changes)).status).toBe(400)
  }
  const data = { ...PUSHER.data, custom: 'x'.repeat(8_192) }
  expect(await refusal(set(alice, { data }))).toEqual([400, 'M_TOO_LARGE'])
  expect(await pushersOf(alice)).toEqual([])
})

it('NUL and numbers that JavaScript cannot hold come back as they were', async () => {
  const alice = await user()
  const raw = JSON.stringify({ ...PUSHER, pushkey: 'a\u0000b' }).replace('[1]', '[9007199254740993]')
  await ok(alice.post('/pushers/set', raw))
  const response = await fetch(`${server.url}/_matrix/client/v3/pushers`, {
    headers: { authorization: `Bearer ${alice.token}` },
  })
  const text = await response.text()
  expect(text).toContain('[9007199254740993]')
  expect(JSON.parse(text).pushers[0].pushkey).toBe('a\u0000b')
})

it('a hundred pushers are enough', async () => {
  const alice = await user()
  for (let index = 0; index < 100; index++) await ok(set(alice, { pushkey: `key ${index}` }))
  expect(await refusal(set(alice, { pushkey: 'one more' }))).toEqual([400, 'M_TOO_LARGE'])
  await ok(set(alice, { pushkey: 'key 7', lang: 'it' }))
})

it('a gateway in a denied network is never reached', async () => {
  const { createServer } = await import('node:http')
  let requests = 0
  const listener = createServer((_, response) => {
    requests++
    response.end('{}')
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  const [alice, bob] = [await user(), await user()]
  const room = await publicRoom(alice, [bob])
  await ok(set(bob, { data: { url: `http://127.0.0.1:${port}/_matrix/push/v1/notify` } }))
  await ok(set(bob, { pushkey: 'name', data: { url: `http://localhost:${port}/_matrix/push/v1/notify` } }))
  await say(alice, room, 'hello')
  await server.settle()
  expect(requests).toBe(0)
  expect(await pushersOf(bob)).toHaveLength(2)
  await ok(bob.post('/logout'))
  await new Promise((resolve) => listener.close(resolve))
})

it('a message to people without pushers costs no more than before pushers were there', async () => {
  const [alice, bob] = [await user(), await user()]
  const room = await createRoom(alice, { preset: 'public_chat' })
  await ok(bob.post(`/rooms/${room}/join`))
  await say(alice, room, 'warm')
  const names = await server.statements(() => say(alice, room, 'hello'))
  expect(names.filter((name) => name.startsWith('pushserver.'))).toEqual(['pushserver.unread_events.count_batch'])
  expect(names.length, names.join('\n')).toBeLessThanOrEqual(12)
})
