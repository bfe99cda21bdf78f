import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { startTestServer, type TestServer } from '../../support/server.js'

const PASSWORD = 'correct horse battery'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await server.register('alice')
})
afterAll(() => server.stop())

const login = (body: object) =>
  server.request('POST', '/login', { type: 'm.login.password', password: PASSWORD, ...body })

describe('login', () => {
  it('offers a password and tokens of other logins', async () => {
    expect((await server.request('GET', '/login')).body).toEqual({
      flows: [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }],
    })
  })

  it('knows a user by localpart or whole id, in the new and the old form, whatever the case', async () => {
    const identifier = (user: string) => ({ identifier: { type: 'm.id.user', user } })
    const forms = [
      identifier('alice'),
      identifier('@alice:test.example'),
      identifier('Alice'),
      identifier('@ALICE:test.example'),
      { user: 'alice' },
      { user: '@alice:test.example' },
    ]
    for (const form of forms) {
      expect(await login(form), JSON.stringify(form)).toMatchObject({
        status: 200,
        body: { user_id: '@alice:test.example', home_server: 'test.example' },
      })
    }
  })

  it('says the same of a wrong password, an unknown user and a user of another server', async () => {
    const refused = { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'Invalid username or password' } }
    const identifier = { type: 'm.id.user', user: 'alice' }
    for (const body of [
      { identifier, password: 'wrong' },
      { identifier, password: '' },
      { identifier: { type: 'm.id.user', user: 'nobody' } },
      { identifier: { type: 'm.id.user', user: '@alice:elsewhere.example' } },
      { identifier: { type: 'm.id.user', user: '*)(uid=*' } },
      { identifier: { type: 'm.id.thirdparty', medium: 'email', address: 'a@b.example' } },
      { user: 'nul\0' },
      {},
    ]) {
      expect(await login(body), JSON.stringify(body)).toMatchObject(refused)
    }
  })

  it('refuses what it does not understand', async () => {
    expect(await login({ type: 'm.login.sso', token: 'x' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_UNKNOWN' },
    })
    expect(await login({ type: undefined })).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await login({ user: 'alice', password: undefined })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await login({ user: 'alice', password: ['x'] })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await login({ user: 'alice', device_id: 'x'.repeat(256) })).toMatchObject({ status: 400 })
    expect(await login({ user: 'alice', initial_device_display_name: 'x'.repeat(101) })).toMatchObject({ status: 400 })
  })

  it('takes any device id of up to 255 bytes and ends the logins it had before', async () => {
    const deviceId = '__proto__\0é/%2F'
    const first = await login({ user: 'alice', device_id: deviceId, initial_device_display_name: 'phone' })
    expect(first.body.device_id).toBe(deviceId)
    const second = await login({ user: 'alice', device_id: deviceId })
    expect(await server.request('GET', '/account/whoami', undefined, first.body.access_token)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
    const device = await server.request(
      'GET',
      `/devices/${encodeURIComponent(deviceId)}`,
      undefined,
      second.body.access_token,
    )
    expect(device).toMatchObject({ status: 200, body: { device_id: deviceId, display_name: 'phone' } })
  })
})

describe('access tokens', () => {
  it('are asked for on every path that needs one, in the header or in the query', async () => {
    const { token } = await server.login('alice')
    const withQuery = (value: string) =>
      server.request('GET', `/account/whoami?access_token=${encodeURIComponent(value)}`)
    expect(await withQuery(token)).toMatchObject({ status: 200 })
    expect(await withQuery('')).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } })
    expect(await withQuery('an/invalid/token')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
    const header = async (authorization: string) => {
      const answer = await fetch(`${server.url}/_matrix/client/v3/account/whoami`, { headers: { authorization } })
      return { status: answer.status, body: await answer.json() }
    }
    expect(await header(`bearer ${token}`)).toMatchObject({ status: 200 })
    for (const none of ['Bearer', 'Bearer ', 'Basic abc', token]) {
      expect(await header(none), none).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } })
    }
    for (const wrong of [token.slice(1), `${token}x`, 'null', 'undefined', 'syt_abc']) {
      expect(await header(`Bearer ${wrong}`)).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
    }
  })

  it('that are missing, wrong or ended open no route of the server', async () => {
    const ended = await server.login('alice')
    expect(await ended.post('/logout')).toMatchObject({ status: 200, body: {} })
    for (const route of server.app.routes.filter(({ auth }) => auth !== 'none' && auth !== 'optional')) {
      const path = route.path.replace(/\{\w+\}/g, 'x')
      const body = route.method === 'GET' ? undefined : {}
      for (const [token, errcode] of [
        [undefined, 'M_MISSING_TOKEN'],
        ['wrong', 'M_UNKNOWN_TOKEN'],
        [ended.token, 'M_UNKNOWN_TOKEN'],
      ] as const) {
        const answer = await server.request(route.method, path, body, token)
        expect(answer, `${route.method} ${path}`).toMatchObject({ status: 401, body: { errcode } })
      }
    }
  })

  it('of every device end with logout/all', async () => {
    const [a, b] = [await server.login('alice'), await server.login('alice')]
    expect(await a.post('/logout/all')).toMatchObject({ status: 200 })
    for (const user of [a, b])
      expect(await user.get('/devices')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  })

  it('of a locked account are good for logging out only', async () => {
    await server.register('locked')
    const user = await server.login('locked')
    await server.database.run({
      name: 'test.accounts.lock',
      sql: "UPDATE userapi.accounts SET locked = true WHERE user_id = '@locked:test.example'",
    })
    server.app.components.bus.publish('userapi.accounts', ['@locked:test.example'])
    expect(await user.get('/account/whoami')).toMatchObject({
      status: 401,
      body: { errcode: 'M_USER_LOCKED', soft_logout: true },
    })
    expect(await user.post('/logout')).toMatchObject({ status: 200 })
  })

  it('survive a restart of the server', async () => {
    const user = await server.login('alice')
    await server.restart()
    expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
  })
})

describe('a megabyte', () => {
  it('in any string of a request is refused by name, and nothing of it is kept', async () => {
    const user = await server.login('alice')
    const big = 'x'.repeat(1 << 20)
    const own = '/user/@alice:test.example'
    const auth = { type: 'm.login.password', user: 'alice', password: PASSWORD }
    const requests: [string, string, object][] = [
      ['POST', '/login', { type: big }],
      ['POST', '/login', { type: 'm.login.password', user: big, password: 'x' }],
      ['POST', '/login', { type: 'm.login.password', user: 'alice', password: big }],
      ['POST', '/login', { ...auth, device_id: big }],
      ['POST', '/login', { ...auth, initial_device_display_name: big }],
      ['POST', '/register', { username: big }],
      ['POST', '/register', { username: 'big', password: big, auth: { type: 'm.login.dummy' } }],
      ['POST', '/register', { auth: { type: big, session: big } }],
      ['POST', '/account/password', { new_password: big, auth }],
      ['POST', '/delete_devices', { devices: [big] }],
      ['PUT', `/devices/${user.deviceId}`, { display_name: big }],
      ['PUT', '/profile/@alice:test.example/displayname', { displayname: big }],
      ['PUT', '/profile/@alice:test.example/org.example.x', { 'org.example.x': big }],
      ['PUT', `${own}/account_data/org.x`, { x: big }],
      ['PUT', `${own}/rooms/!r:test.example/tags/u.x`, { x: big }],
      ['POST', `${own}/filter`, { x: big }],
      ['POST', '/_synapse/admin/v1/register', { nonce: big, username: big, password: big, mac: big }],
    ]
    for (const [method, path, body] of requests) {
      const answer = await server.request(method, path, body, user.token)
      expect(answer.status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
      expect(answer.status, `${method} ${path}`).toBeLessThan(500)
      expect(answer.body, `${method} ${path}`).toHaveProperty(answer.body.flows === undefined ? 'errcode' : 'session')
    }
  })
})

describe('guessing', () => {
  it('is slowed down after a few wrong passwords, in logins and in user-interactive authentication alike', async () => {
    const limited = await startTestServer({
      yaml: 'version: 2\nglobal: { server_name: test.example }\nclient_api: { rate_limiting: { enabled: true, threshold: 100 } }\nuser_api: { bcrypt_cost: 4 }\n',
    })
    const { userapi } = limited.app.components
    const userId = '@victim:test.example' as UserId
    await userapi.createAccount({ userId, password: PASSWORD, type: 'user' })
    const { accessToken } = await userapi.login({ userId, deviceId: 'A' })
    const guess = { type: 'm.login.password', user: 'victim', password: 'guess' }
    for (let n = 0; n < 5; n++) {
      expect(await limited.request('POST', '/login', guess)).toMatchObject({
        status: 403,
        body: { errcode: 'M_FORBIDDEN' },
      })
    }
    const slowed = { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) } }
    const answer = await limited.request('POST', '/login', { ...guess, password: PASSWORD })
    expect(answer).toMatchObject(slowed)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await limited.request('DELETE', '/devices/A', { auth: guess }, accessToken)).toMatchObject(slowed)
    await limited.stop()
  })
})
