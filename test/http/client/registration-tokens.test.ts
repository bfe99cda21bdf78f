import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

const PASSWORD = 'correct horse battery'
const BASE = '/_dendrite/admin/registrationTokens'
const STAGE = 'm.login.registration_token'

let server: TestServer
let admin: TestUser
beforeAll(async () => {
  server = await startTestServer({
    yaml: 'version: 2\nglobal: { server_name: test.example }\nclient_api: { registration_disabled: false, registration_requires_token: true, rate_limiting: { enabled: false } }\nuser_api: { bcrypt_cost: 4 }\n',
  })
  const { userapi } = server.app.components
  const userId = '@admin:test.example' as UserId
  await userapi.createAccount({ userId, type: 'admin', password: PASSWORD })
  admin = await server.login('admin', PASSWORD)
})
afterAll(() => server.stop())

const register = (username: string, auth?: object) =>
  server.request('POST', '/register', { username, password: PASSWORD, ...(auth === undefined ? {} : { auth }) })
const withToken = (username: string, token: unknown) => register(username, { type: STAGE, token })
const isValid = async (token: string) => {
  const path = `/_matrix/client/v1/register/${STAGE}/validity?token=${encodeURIComponent(token)}`
  return (await server.request('GET', path)).body
}

describe('registration with a token', () => {
  it('asks for one and takes no other stage', async () => {
    expect(await register('asked')).toMatchObject({
      status: 401,
      body: { flows: [{ stages: [STAGE] }], completed: [] },
    })
    expect(await register('asked', { type: 'm.login.dummy' })).toMatchObject({ status: 401, body: { completed: [] } })
    for (const wrong of ['', 'wrong', undefined, { $gt: '' }]) {
      expect(await withToken('asked', wrong)).toMatchObject({
        status: 401,
        body: { errcode: 'M_UNAUTHORIZED', completed: [] },
      })
    }
  })

  it('lets as many in as the token allows, also when they come at once', async () => {
    await admin.post(`${BASE}/new`, { token: 'three', uses_allowed: 3 })
    expect(await isValid('three')).toEqual({ valid: true })
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => withToken(`crowd${n}`, 'three')))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(3)
    for (const { status } of all) expect([200, 401, 403]).toContain(status)
    expect((await admin.get(`${BASE}/three`)).body).toMatchObject({ uses_allowed: 3, completed: 3, pending: 0 })
    expect(await isValid('three')).toEqual({ valid: false })
    expect(await withToken('late', 'three')).toMatchObject({ status: 401, body: { errcode: 'M_UNAUTHORIZED' } })
  })

  it('counts no use for an account that is not made', async () => {
    await admin.post(`${BASE}/new`, { token: 'one', uses_allowed: 1 })
    const { session } = (await register('late-taken')).body
    await server.app.components.userapi.createAccount({ userId: '@late-taken:test.example' as UserId, type: 'user' })
    expect(await server.request('POST', '/register', { auth: { type: STAGE, token: 'one', session } })).toMatchObject({
      status: 400,
      body: { errcode: 'M_USER_IN_USE' },
    })
    expect(await isValid('one')).toEqual({ valid: true })
    expect(await withToken('one-more', 'one')).toMatchObject({ status: 200 })
  })

  it('can be done on a page, without scripts', async () => {
    await admin.post(`${BASE}/new`, { token: 'paged' })
    const { session } = (await register('paged')).body
    const url = `${server.url}/_matrix/client/v3/auth/${STAGE}/fallback/web?session=${session}`
    expect(await (await fetch(url)).text()).toContain('name="token"')
    const send = (token: string) => fetch(url, { method: 'POST', body: new URLSearchParams({ token }) })
    const wrong = await send('<script>')
    expect([wrong.status, (await wrong.text()).includes('Invalid registration token')]).toEqual([401, true])
    const done = await send('paged')
    expect([done.status, (await done.text()).includes('onAuthDone')]).toEqual([200, true])
    const made = await server.request('POST', '/register', { auth: { session } })
    expect(made).toMatchObject({ status: 200, body: { user_id: '@paged:test.example' } })
  })
})

describe("the administrators' tokens", () => {
  it('are made, listed, changed and deleted', async () => {
    const soon = Date.now() + 3_600_000
    expect(await admin.post(`${BASE}/new`, { token: 'full', uses_allowed: 5, expiry_time: soon })).toMatchObject({
      status: 200,
      body: { token: 'full', uses_allowed: 5, pending: 0, completed: 0, expiry_time: soon },
    })
    expect(await admin.post(`${BASE}/new`, { token: 'full' })).toMatchObject({ status: 409 })
    expect((await admin.post(`${BASE}/new`, {})).body.token).toMatch(/^[A-Za-z0-9_-]{16}$/)
    expect((await admin.post(`${BASE}/new`, { length: 40 })).body.token).toHaveLength(40)
    for (const bad of [
      { token: 'no spaces' },
      { token: '' },
      { length: 65 },
      { length: 0 },
      { uses_allowed: -1 },
      { expiry_time: 5 },
      { uses_allowed: 'x' },
    ]) {
      expect(await admin.post(`${BASE}/new`, bad), JSON.stringify(bad)).toMatchObject({
        status: 400,
        body: { errcode: 'M_BAD_JSON' },
      })
    }
    expect((await admin.put(`${BASE}/full`, { uses_allowed: 0 })).body).toMatchObject({
      uses_allowed: 0,
      expiry_time: soon,
    })
    expect((await admin.put(`${BASE}/full`, { expiry_time: null })).body).toMatchObject({
      uses_allowed: 0,
      expiry_time: null,
    })
    const listed = async (query: string) =>
      (await admin.get(`${BASE}${query}`)).body.registration_tokens.map(({ token }: { token: string }) => token)
    expect(await listed('')).toContain('full')
    expect(await listed('?valid=true')).not.toContain('full')
    expect(await listed('?valid=false')).toContain('full')
    expect(await admin.delete(`${BASE}/full`)).toMatchObject({ status: 200, body: {} })
    for (const answer of [await admin.get(`${BASE}/full`), await admin.delete(`${BASE}/full`)]) {
      expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
  })

  it('are nobody else’s', async () => {
    await admin.post(`${BASE}/new`, { token: 'plain' })
    const token = (await withToken('plain', 'plain')).body.access_token
    for (const [method, path] of [
      ['POST', '/new'],
      ['GET', ''],
      ['GET', '/plain'],
      ['PUT', '/plain'],
      ['DELETE', '/plain'],
    ] as const) {
      expect(await server.request(method, BASE + path, method === 'GET' ? undefined : {}, token)).toMatchObject({
        status: 403,
        body: { errcode: 'M_FORBIDDEN' },
      })
    }
  })
})
