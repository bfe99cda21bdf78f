import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/platform/time.js'
import { adminQuery } from '../../support/postgres.js'
import { startTestServer, type TestServer } from '../../support/server.js'

const PASSWORD = 'correct horse battery'
const unknown = { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } }
const soft = { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true } }

let server: TestServer
const time = new FakeClock()
beforeAll(async () => {
  server = await startTestServer({ time })
  await server.register('alice')
})
afterAll(() => server.stop())

const logIn = async (extra: object = {}) =>
  (
    await server.request('POST', '/login', {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: PASSWORD,
      refresh_token: true,
      ...extra,
    })
  ).body
const refresh = (refresh_token: string) => server.request('POST', '/refresh', { refresh_token })
const whoami = (token: string) => server.request('GET', '/account/whoami', undefined, token)

describe('a login that is refreshed', () => {
  it('is one only where the client asks for it', async () => {
    const plain = await logIn({ refresh_token: false })
    expect(plain).not.toHaveProperty('refresh_token')
    expect(plain).not.toHaveProperty('expires_in_ms')
    expect(await logIn()).toMatchObject({ refresh_token: expect.any(String), expires_in_ms: 3_600_000 })
    const registered = await server.request('POST', '/register', {
      username: 'fresh',
      password: PASSWORD,
      refresh_token: true,
      auth: { type: 'm.login.dummy' },
    })
    expect(registered.body).toMatchObject({ refresh_token: expect.any(String), expires_in_ms: 3_600_000 })
  })

  it('expires softly and goes on with a new token on the same device', async () => {
    const first = await logIn({ device_id: 'PHONE' })
    time.advance(first.expires_in_ms + 1)
    expect(await whoami(first.access_token)).toMatchObject(soft)
    const second = await refresh(first.refresh_token)
    expect(second).toMatchObject({
      status: 200,
      body: { access_token: expect.any(String), refresh_token: expect.any(String), expires_in_ms: 3_600_000 },
    })
    expect(await whoami(second.body.access_token)).toMatchObject({ status: 200, body: { device_id: 'PHONE' } })
  })

  it('keeps the old pair good until the new one is used, then tells its holder to refresh', async () => {
    const first = await logIn()
    const lost = (await refresh(first.refresh_token)).body
    expect(await whoami(first.access_token)).toMatchObject({ status: 200 })
    const second = (await refresh(first.refresh_token)).body
    expect(await whoami(lost.access_token)).toMatchObject(unknown)
    expect(await refresh(lost.refresh_token)).toMatchObject(unknown)
    expect(await whoami(second.access_token)).toMatchObject({ status: 200 })
    expect(await refresh(first.refresh_token)).toMatchObject(unknown)
    expect(await whoami(first.access_token)).toMatchObject(soft)
    // A pair also counts as used when it is refreshed itself.
    const third = (await refresh(second.refresh_token)).body
    const fourth = (await refresh(third.refresh_token)).body
    expect(await refresh(second.refresh_token)).toMatchObject(unknown)
    expect(await whoami(second.access_token)).toMatchObject(soft)
    expect(await whoami(fourth.access_token)).toMatchObject({ status: 200 })
  })

  it('keeps no more tokens than a day of refreshing leaves', async () => {
    let pair = await logIn({ device_id: 'MANY' })
    for (let n = 0; n < 10; n++) {
      time.advance(6 * 3_600_000)
      pair = (await refresh(pair.refresh_token)).body
      expect(await whoami(pair.access_token)).toMatchObject({ status: 200 })
    }
    const [rows] = await adminQuery<{ access: number; refresh: number }>(
      server.connectionString,
      "SELECT (SELECT count(*)::int FROM userapi.access_tokens WHERE device_id = 'MANY') AS access, " +
        "(SELECT count(*)::int FROM userapi.refresh_tokens WHERE device_id = 'MANY') AS refresh",
    )
    expect(rows?.access).toBeLessThan(8)
    expect(rows?.refresh).toBe(1)
  })

  it('of many refreshes at the same time leaves one pair that works', async () => {
    const first = await logIn()
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(first.refresh_token)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    const checked = await Promise.all(answers.map(({ body }) => whoami(body.access_token)))
    expect(checked.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('ends with its logout, however often it was refreshed, and while it is refreshed', async () => {
    const first = await logIn()
    const second = (await refresh(first.refresh_token)).body
    expect(await server.request('POST', '/logout', {}, second.access_token)).toMatchObject({ status: 200 })
    for (const { access_token, refresh_token } of [first, second]) {
      expect(await whoami(access_token)).toMatchObject(unknown)
      expect((await whoami(access_token)).body).not.toHaveProperty('soft_logout')
      expect(await refresh(refresh_token)).toMatchObject(unknown)
    }
    for (let n = 0; n < 5; n++) {
      const racing = await logIn()
      const [refreshed] = await Promise.all([
        refresh(racing.refresh_token),
        server.request('POST', '/logout', {}, racing.access_token),
      ])
      if (refreshed.status === 200) expect(await whoami(refreshed.body.access_token)).toMatchObject(unknown)
      expect(await refresh(racing.refresh_token)).toMatchObject(unknown)
    }
  })

  it('cannot be gone on with by a made-up token, an access token or for a deactivated account (row 10)', async () => {
    const pair = await logIn()
    for (const wrong of ['', 'x', pair.access_token, 'x'.repeat(10_000)]) {
      expect(await refresh(wrong)).toMatchObject(unknown)
    }
    expect(await whoami(pair.refresh_token)).toMatchObject(unknown)
    expect(await server.request('POST', '/refresh', {})).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    const gone = await server.register('refreshgone')
    const session = (
      await server.request('POST', '/login', {
        type: 'm.login.password',
        user: 'refreshgone',
        password: PASSWORD,
        refresh_token: true,
      })
    ).body
    const auth = { type: 'm.login.password', password: PASSWORD }
    expect(await gone.post('/account/deactivate', { auth })).toMatchObject({ status: 200 })
    expect(await refresh(session.refresh_token)).toMatchObject(unknown)
  })
})

describe('a login token', () => {
  const auth = { type: 'm.login.password', password: PASSWORD }
  const getToken = (token: string, body: object = { auth }) =>
    server.request('POST', '/_matrix/client/v1/login/get_token', body, token)
  const use = (token: unknown) => server.request('POST', '/login', { type: 'm.login.token', token })

  it('lets one more device in, once, after the password', async () => {
    const user = await server.login('alice')
    expect(await getToken(user.token, {})).toMatchObject({
      status: 401,
      body: { flows: [{ stages: ['m.login.password'] }] },
    })
    const { body } = await getToken(user.token)
    expect(body).toEqual({ login_token: expect.any(String), expires_in_ms: 120_000 })
    const uses = await Promise.all(Array.from({ length: 5 }, () => use(body.login_token)))
    expect(uses.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403, 403])
    expect(uses.find(({ status }) => status === 200)?.body.user_id).toBe('@alice:test.example')
    expect(await use(body.login_token)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect((await user.get('/capabilities')).body.capabilities['m.get_login_token']).toEqual({ enabled: true })
  })

  it('ends after two minutes, is no access token, and nothing else is one (rows 1, 9)', async () => {
    const user = await server.login('alice')
    const { login_token } = (await getToken(user.token)).body
    expect(await whoami(login_token)).toMatchObject(unknown)
    time.advance(120_001)
    for (const wrong of [login_token, user.token, '', 'x']) {
      expect(await use(wrong)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    }
    expect(await use(undefined)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await use({})).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })

  it('of a deactivated account lets nobody in (row 10)', async () => {
    const user = await server.register('tokengone')
    const { login_token } = (await getToken(user.token)).body
    expect(await user.post('/account/deactivate', { auth })).toMatchObject({ status: 200 })
    expect(await use(login_token)).toMatchObject({ status: 403 })
  })
})

describe('an OpenID token', () => {
  it('tells who its owner is, for its time, and opens nothing else (row 1)', async () => {
    const user = await server.login('alice')
    const answer = await user.post('/user/@alice:test.example/openid/request_token', {})
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      matrix_server_name: 'test.example',
      expires_in: 3600,
    })
    const { userapi } = server.app.components
    const token = answer.body.access_token
    expect(await userapi.openIdUser(token)).toBe('@alice:test.example')
    expect(await whoami(token)).toMatchObject(unknown)
    expect(await userapi.openIdUser(user.token)).toBeUndefined()
    expect(await user.post('/user/@bob:test.example/openid/request_token', {})).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    time.advance(3_600_001)
    expect(await userapi.openIdUser(token)).toBeUndefined()
  })
})

describe('no token', () => {
  it('is in the database as it is', async () => {
    const pair = await logIn()
    const rows = await adminQuery<{ text: string }>(
      server.connectionString,
      "SELECT query_to_xml('SELECT * FROM userapi.' || t.tablename, false, false, '')::text AS text " +
        "FROM pg_tables t WHERE t.schemaname = 'userapi'",
    )
    const dump = rows.map(({ text }) => text).join()
    expect(dump).toContain('@alice:test.example')
    expect(dump).not.toContain(pair.access_token)
    expect(dump).not.toContain(pair.refresh_token)
  })
})
