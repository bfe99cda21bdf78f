import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.js'

const PASSWORD = 'sUp3rs3kr1t'
const auth = { type: 'm.login.dummy' }

describe('registration', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.stop())

  const register = (body: object, query = '') => server.request('POST', `/register${query}`, body)

  it('asks for the dummy stage first, then makes an account that is logged in', async () => {
    const asked = await register({ username: 'staged', password: PASSWORD })
    expect(asked).toMatchObject({
      status: 401,
      body: { flows: [{ stages: ['m.login.dummy'] }], params: {}, completed: [] },
    })
    expect(asked.body).not.toHaveProperty('errcode')
    const { session } = asked.body
    const made = await register({
      username: 'staged',
      password: PASSWORD,
      device_id: 'MINE',
      auth: { ...auth, session },
    })
    expect(made).toMatchObject({
      status: 200,
      body: { user_id: '@staged:test.example', device_id: 'MINE', home_server: 'test.example' },
    })
    const whoami = await server.request('GET', '/account/whoami', undefined, made.body.access_token)
    expect(whoami.body).toEqual({ user_id: '@staged:test.example', device_id: 'MINE', is_guest: false })
    expect((await server.request('GET', '/profile/@staged:test.example')).body).toEqual({ displayname: 'staged' })
  })

  it('asks who comes without anything in the body, or with no body', async () => {
    expect(await register({})).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.dummy'] }] } })
    expect(await server.request('POST', '/register')).toMatchObject({ status: 401 })
  })

  it('remembers what the first request asked for', async () => {
    const first = {
      username: 'remembered',
      password: 'übers3kr1t',
      device_id: 'xyzzy',
      initial_device_display_name: 'it',
    }
    const { session } = (await register(first)).body
    const made = await register({ auth: { ...auth, session } })
    expect(made).toMatchObject({ status: 200, body: { user_id: '@remembered:test.example', device_id: 'xyzzy' } })
    const device = await server.request('GET', '/devices/xyzzy', undefined, made.body.access_token)
    expect(device.body.display_name).toBe('it')
    await server.login('remembered', 'übers3kr1t')

    const quiet = await register({ username: 'hushed', password: PASSWORD, inhibit_login: true })
    const { body } = await register({ auth: { ...auth, session: quiet.body.session } })
    expect(body).toEqual({ user_id: '@hushed:test.example', home_server: 'test.example' })
    // What is said again is what counts.
    const changed = await register({ username: 'first-choice', password: PASSWORD })
    const second = { username: 'second-choice', auth: { ...auth, session: changed.body.session } }
    expect((await register(second)).body.user_id).toBe('@second-choice:test.example')
  })

  it('is answered once more with the same account to who asks again in its session', async () => {
    for (const body of [{ password: PASSWORD }, { username: 'again', password: PASSWORD, device_id: 'D' }]) {
      const { session } = (await register(body)).body
      const step = { ...body, auth: { ...auth, session } }
      const [first, repeated] = [await register(step), await register(step)]
      expect(repeated).toMatchObject({
        status: 200,
        body: { user_id: first.body.user_id, device_id: first.body.device_id, access_token: expect.any(String) },
      })
      expect(await register({ ...body, username: first.body.user_id.slice(1).split(':')[0], auth })).toMatchObject({
        status: 400,
        body: { errcode: 'M_USER_IN_USE' },
      })
    }
  })

  it('makes names small, and up when there is none', async () => {
    expect((await register({ username: 'User-UPPER', password: PASSWORD, auth })).body.user_id).toBe(
      '@user-upper:test.example',
    )
    expect((await register({ password: PASSWORD, auth })).body.user_id).toMatch(/^@[a-z0-9]{10,}:test\.example$/)
  })

  it('logs nobody in when asked not to', async () => {
    const { body } = await register({ username: 'quiet', password: PASSWORD, auth, inhibit_login: true })
    expect(body).toEqual({ user_id: '@quiet:test.example', home_server: 'test.example' })
  })

  it('refuses names outside the grammar before it asks for stages', async () => {
    for (const bad of ['!', '"', ':', '?', '\\', '@', '[', '{', '|', '£', 'é', '\n', "'", '\0', ' ', 'x'.repeat(255)]) {
      const refused = await register({ username: `a${bad}`, password: PASSWORD })
      expect(refused, JSON.stringify(bad)).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_USERNAME' } })
    }
    expect(await register({ username: '', password: PASSWORD })).toMatchObject({
      body: { errcode: 'M_INVALID_USERNAME' },
    })
    expect(await register({ username: 5, password: PASSWORD })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
  })

  it('refuses a name that is taken, and weak or endless passwords', async () => {
    await register({ username: 'taken', password: PASSWORD, auth })
    expect(await register({ username: 'Taken', password: PASSWORD })).toMatchObject({
      status: 400,
      body: { errcode: 'M_USER_IN_USE' },
    })
    expect(await register({ username: 'weak', password: 'short', auth })).toMatchObject({
      body: { errcode: 'M_WEAK_PASSWORD' },
    })
    expect(await register({ username: 'long', password: 'x'.repeat(513), auth })).toMatchObject({
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await register({ username: 'none', auth })).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
  })

  it('of fifty at the same time for one name lets one through, whose password then works', async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, n) => register({ username: 'race', password: `${PASSWORD}${n}`, auth })),
    )
    const winners = all.flatMap(({ status }, n) => (status === 200 ? [n] : []))
    expect(winners).toHaveLength(1)
    for (const answer of all)
      if (answer.status !== 200) expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
    const user = await server.login('race', `${PASSWORD}${winners[0]}`)
    expect((await user.get('/devices')).body.devices).toHaveLength(2)
  })

  it('tells whether a name can be had', async () => {
    await register({ username: 'had', password: PASSWORD, auth })
    const available = (name: string) =>
      server.request('GET', `/register/available?username=${encodeURIComponent(name)}`)
    expect(await available('free')).toMatchObject({ status: 200, body: { available: true } })
    expect(await available('had')).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
    expect(await available('no such!')).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_USERNAME' } })
    expect(await server.request('GET', '/register/available')).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
  })

  it('takes guests, who may do little', async () => {
    const { body } = await register({}, '?kind=guest')
    expect(body.user_id).toMatch(/^@guest-/)
    const as = (method: string, path: string, content?: object) =>
      server.request(method, path, content, body.access_token)
    expect(await as('GET', '/account/whoami')).toMatchObject({ body: { is_guest: true } })
    expect(await as('GET', '/user/@x:test.example/account_data/x')).toMatchObject({
      status: 403,
      body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' },
    })
    expect(await as('PUT', `/profile/${body.user_id}/displayname`, { displayname: 'G' })).toMatchObject({ status: 200 })
    expect(await as('PUT', `/profile/${body.user_id}/avatar_url`, { avatar_url: 'mxc://a/b' })).toMatchObject({
      status: 403,
      body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' },
    })
    expect(await register({}, '?kind=robot')).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })

  it('has no older version that would go around it', async () => {
    for (const path of [
      '/_matrix/client/api/v1/register',
      '/_matrix/client/v2_alpha/register',
      '/_matrix/client/v1/register',
    ]) {
      expect(await server.request('POST', path, { username: 'x', password: PASSWORD, auth })).toMatchObject({
        status: 404,
        body: { errcode: 'M_UNRECOGNIZED' },
      })
    }
  })
})

describe('registration by shared secret', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.stop())

  const path = '/_synapse/admin/v1/register'
  const nonceOf = async () => (await server.request('GET', path)).body.nonce as string
  const macOf = (parts: string[], secret = 'shared') =>
    createHmac('sha1', secret).update(parts.join('\0')).digest('hex')

  it('makes users and administrators, with capitals made small', async () => {
    for (const [username, admin] of [
      ['Plain', false],
      ['Boss', true],
    ] as const) {
      const nonce = await nonceOf()
      const mac = macOf([nonce, username, PASSWORD, admin ? 'admin' : 'notadmin'])
      const made = await server.request('POST', path, { nonce, username, password: PASSWORD, admin, mac })
      expect(made).toMatchObject({ status: 200, body: { user_id: `@${username.toLowerCase()}:test.example` } })
      const requester = await server.app.components.userapi.requester(made.body.access_token)
      expect(requester?.accountType).toBe(admin ? 'admin' : 'user')
    }
  })

  it('takes each nonce once, and no wrong secret, kind or field', async () => {
    const attempt = async (changes: object, secret?: string) => {
      const nonce = await nonceOf()
      const mac = macOf([nonce, 'eve', PASSWORD, 'notadmin'], secret)
      return server.request('POST', path, { nonce, username: 'eve', password: PASSWORD, mac, ...changes })
    }
    expect(await attempt({}, 'guess')).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await attempt({ admin: true })).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await attempt({ username: 'eve2' })).toMatchObject({ status: 403 })
    expect(await attempt({ mac: 'zz' })).toMatchObject({ status: 403 })
    expect(await attempt({ nonce: 'made up' })).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
    expect(await attempt({ username: 'e\0ve' })).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    const nonce = await nonceOf()
    const body = { nonce, username: 'once', password: PASSWORD, mac: macOf([nonce, 'once', PASSWORD, 'notadmin']) }
    expect(await server.request('POST', path, body)).toMatchObject({ status: 200 })
    expect(await server.request('POST', path, body)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  })

  it('refuses symbols', async () => {
    const nonce = await nonceOf()
    const mac = macOf([nonce, 'us,er', PASSWORD, 'notadmin'])
    expect(await server.request('POST', path, { nonce, username: 'us,er', password: PASSWORD, mac })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_USERNAME' },
    })
  })
})

describe('a server that takes nobody', () => {
  it('refuses registrations and guests, and has no path for a secret that is not set', async () => {
    const server = await startTestServer({
      yaml: 'version: 2\nglobal: { server_name: test.example }\nclient_api: { guests_disabled: true, rate_limiting: { enabled: false } }\n',
    })
    const body = { username: 'x', password: PASSWORD, auth }
    expect(await server.request('POST', '/register', body)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(await server.request('POST', '/register?kind=guest', {})).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(await server.request('GET', '/_synapse/admin/v1/register')).toMatchObject({
      status: 404,
      body: { errcode: 'M_UNRECOGNIZED' },
    })
    await server.stop()
  })
})
