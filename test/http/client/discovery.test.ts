import { Agent, request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.js'

describe('what a server says of itself', () => {
  let server: TestServer
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(async () => {
    agent.destroy()
    await server.stop()
  })

  it('lists every version by itself, and no flag that is not true', async () => {
    const { body, headers } = await server.request('GET', '/_matrix/client/versions')
    for (let minor = 1; minor <= 19; minor++) expect(body.versions).toContain(`v1.${minor}`)
    expect(Object.values(body.unstable_features)).not.toContain(false)
    expect(headers.get('vary')).toContain('Authorization')
    expect(await server.request('GET', '/_matrix/client/versions', undefined, 'unknown')).toMatchObject({ status: 200 })
  })

  it('shows its capabilities to its users', async () => {
    expect(await server.request('GET', '/capabilities')).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    })
    const { body } = await (await server.register('alice')).get('/capabilities')
    expect(body.capabilities['m.room_versions'].default).toBe('12')
    expect(Object.keys(body.capabilities['m.room_versions'].available)).toHaveLength(12)
    expect(body.capabilities['m.profile_fields']).toEqual({ enabled: true })
  })

  it('has no well-known answers unless they are configured', async () => {
    for (const name of ['client', 'server']) {
      expect(await server.request('GET', `/.well-known/matrix/${name}`)).toMatchObject({ status: 404 })
    }
    const configured = await startTestServer({
      yaml: [
        'version: 2',
        'global:',
        '  server_name: test.example',
        '  well_known_client_name: https://matrix.test.example',
        '  well_known_server_name: matrix.test.example:443',
      ].join('\n'),
    })
    expect((await configured.request('GET', '/.well-known/matrix/client')).body).toEqual({
      'm.homeserver': { base_url: 'https://matrix.test.example' },
    })
    expect((await configured.request('GET', '/.well-known/matrix/server')).body).toEqual({
      'm.server': 'matrix.test.example:443',
    })
    await configured.stop()
  })

  it('is up and healthy, for load balancers', async () => {
    expect(await server.request('GET', '/_dendrite/monitor/up')).toMatchObject({ status: 200, body: undefined })
    expect(await server.request('GET', '/_dendrite/monitor/health')).toMatchObject({ status: 200, body: {} })
  })

  it('shows people a page that can do nothing', async () => {
    const root = await fetch(server.url, { redirect: 'manual' })
    expect([root.status, root.headers.get('location')]).toEqual([302, '/_matrix/static/'])
    const page = await fetch(`${server.url}/_matrix/static/`)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(await page.text()).toContain('Matrix homeserver')
  })

  it('serves no path with anything in front, between or behind', async () => {
    for (const route of server.app.routes) {
      const path = route.path.replace(/\{\w+\}/g, 'x')
      for (const changed of [
        `${path}/x/x/x/x/x`,
        `/${path}`,
        `${path}//`,
        `${path}/../x/x/x/x/x`,
        `${path}/%2e%2e/%2E%2e`,
      ]) {
        expect(await statusOf(route.method, changed), `${route.method} ${changed}`).toBe(404)
      }
    }
  })

  it('knows another method on every path as 405', async () => {
    for (const route of server.app.routes) {
      const path = route.path.replace(/\{\w+\}/g, 'x')
      expect(await statusOf('PATCH', path), path).toBe(405)
    }
  })

  /** `fetch` would resolve dot segments before it sends them. */
  function statusOf(method: string, path: string): Promise<number | undefined> {
    const { hostname, port } = new URL(server.url)
    return new Promise((resolve, reject) => {
      const request = httpRequest({ hostname, port, method, path, agent }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode))
      })
      request.once('error', reject).end()
    })
  }
})
