import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.js'

const STAGE = 'm.login.recaptcha'
const asked: URLSearchParams[] = []
/** The captcha's service. */
const service = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    const form = new URLSearchParams(body)
    asked.push(form)
    response.end(form.get('response') === 'broken' ? 'no JSON' : `{"success":${form.get('response') === 'human'}}`)
  })
})

let server: TestServer
beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  const { port } = service.address() as AddressInfo
  server = await startTestServer({
    yaml: `version: 2
global: { server_name: test.example }
client_api:
  registration_disabled: false
  enable_registration_captcha: true
  recaptcha_public_key: public"key
  recaptcha_private_key: private
  recaptcha_bypass_secret: let-me-in
  recaptcha_siteverify_api: http://127.0.0.1:${port}/siteverify
  rate_limiting: { enabled: false }
user_api: { bcrypt_cost: 4 }
`,
  })
})
afterAll(async () => {
  await server.stop()
  service.close()
})

const register = (username: string, auth?: object) =>
  server.request('POST', '/register', { username, password: 'sUp3rs3kr1t', ...(auth === undefined ? {} : { auth }) })

describe('registration with a captcha', () => {
  it('takes what the service takes, and nothing when it has no answer', async () => {
    expect(await register('robot')).toMatchObject({
      status: 401,
      body: { flows: [{ stages: [STAGE] }], params: { [STAGE]: { public_key: 'public"key' } } },
    })
    for (const [auth, errcode] of [
      [{ type: STAGE }, 'M_CAPTCHA_NEEDED'],
      [{ type: STAGE, response: '' }, 'M_CAPTCHA_INVALID'],
      [{ type: STAGE, response: 'robot' }, 'M_CAPTCHA_INVALID'],
      [{ type: STAGE, response: 'broken' }, 'M_CAPTCHA_INVALID'],
      [{ type: 'm.login.dummy' }, 'M_UNRECOGNIZED'],
    ] as const) {
      expect(await register('robot', auth)).toMatchObject({ status: 401, body: { errcode, completed: [] } })
    }
    expect(await register('person', { type: STAGE, response: 'human' })).toMatchObject({ status: 200 })
    expect(Object.fromEntries(asked.at(-1) ?? [])).toEqual({
      secret: 'private',
      response: 'human',
      remoteip: '127.0.0.1',
    })
    const before = asked.length
    expect(await register('tester', { type: STAGE, response: 'let-me-in' })).toMatchObject({ status: 200 })
    expect(asked).toHaveLength(before)
  })

  it('can be done on a page', async () => {
    const { session } = (await register('paged')).body
    const url = `${server.url}/_matrix/client/v3/auth/${STAGE}/fallback/web?session=${session}`
    const page = await fetch(url)
    expect(await page.text()).toContain('class="g-recaptcha" data-sitekey="public&quot;key"')
    expect(page.headers.get('content-security-policy')).toContain('script-src https://www.google.com')
    const send = (answer: string) =>
      fetch(url, { method: 'POST', body: new URLSearchParams({ 'g-recaptcha-response': answer }) })
    expect((await send('robot')).status).toBe(401)
    expect((await send('human')).status).toBe(200)
    expect(await server.request('POST', '/register', { auth: { session } })).toMatchObject({
      status: 200,
      body: { user_id: '@paged:test.example' },
    })
  })
})
