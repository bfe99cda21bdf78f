import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.js'

const PASSWORD = 'correct horse battery'
let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const page = async (path: string, form?: Record<string, string>) => {
  const response = await fetch(server.url + path, form && { method: 'POST', body: new URLSearchParams(form) })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

describe('a stage on a page', () => {
  const at = (session: string, stage = 'm.login.password') =>
    `/_matrix/client/v3/auth/${stage}/fallback/web?session=${encodeURIComponent(session)}`

  it('asks for the password of the account concerned, after which the request goes through', async () => {
    const user = await server.register('paging')
    await server.login('paging', PASSWORD, 'OLD')
    const { session } = (await user.delete('/devices/OLD')).body
    expect((await page(at(session))).text).toContain('@paging:test.example')
    const wrong = await page(at(session), { password: 'wrong' })
    expect([wrong.status, wrong.text.includes('Invalid username or password')]).toEqual([401, true])
    expect(await user.delete('/devices/OLD', { auth: { session } })).toMatchObject({ status: 401 })
    await server.register('other')
    expect((await page(at(session), { user: 'other', password: PASSWORD })).status).toBe(403)
    expect((await page(at(session), { password: PASSWORD })).text).toContain('authDone')
    expect((await page(at(session))).text).toContain('authDone')
    expect(await user.delete('/devices/OLD', { auth: { session } })).toMatchObject({ status: 200 })
    expect((await page(at(session))).status).toBe(404)
  })

  it('is none of a session that is unknown, nor one that it does not ask for', async () => {
    const user = await server.register('staging')
    const { session } = (await user.delete(`/devices/${user.deviceId}`)).body
    for (const path of [at('made-up'), at(session, 'm.login.dummy'), at(session, 'm.login.recaptcha')]) {
      expect((await page(path)).status).toBe(404)
      expect((await page(path, {})).status).toBe(404)
    }
    expect((await page(`/_matrix/client/v3/auth/m.login.password/fallback/web`)).status).toBe(400)
    expect((await page(at(session), { password: 'x'.repeat(70_000) })).status).toBe(413)
  })
})

describe('a login on a page', () => {
  const path = '/_matrix/static/client/login/'

  it('hands its answer to the application that has opened it', async () => {
    await server.register('pagelogin')
    expect((await page(path)).text).toContain('type="password"')
    const query = '?device_id=GHTYAJCE&initial_device_display_name=%3C%2Fscript%3E&refresh_token=true'
    const done = await page(path + query, { user: 'pagelogin', password: PASSWORD })
    expect(done.status).toBe(200)
    expect(done.text).toContain('matrixLogin.onLogin')
    const answer = JSON.parse(/id="answer">(.*?)<\/script>/.exec(done.text)?.[1] ?? '')
    expect(answer).toMatchObject({
      user_id: '@pagelogin:test.example',
      device_id: 'GHTYAJCE',
      refresh_token: expect.any(String),
    })
    expect(await server.request('GET', '/account/whoami', undefined, answer.access_token)).toMatchObject({
      status: 200,
    })
  })

  it('says what is wrong', async () => {
    const wrong = await page(path, { user: 'pagelogin', password: 'wrong' })
    expect([wrong.status, wrong.text.includes('Invalid username or password')]).toEqual([403, true])
    expect((await page(path, {})).status).toBe(403)
  })
})

describe('pages', () => {
  it('show what comes from outside as text, run no script but their own, and stand in no frame (rows 102, 104)', async () => {
    const evil = `"><script>alert(1)</script>'&`
    const escaped = encodeURIComponent(evil)
    const all = [
      await page('/_matrix/static/'),
      await page(`/_matrix/static/client/login/?device_id=${escaped}&initial_device_display_name=${escaped}`),
      await page(`/_matrix/static/client/login/?device_id=${escaped}`, { user: evil, password: evil }),
      await page(`/_matrix/client/v3/auth/m.login.password/fallback/web?session=${escaped}`),
      await page(`/_matrix/client/v3/auth/${escaped}/fallback/web?session=${escaped}`),
    ]
    for (const { text, headers } of all) {
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(text).not.toContain('<script>alert')
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toContain("script-src 'unsafe-inline'")
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})
