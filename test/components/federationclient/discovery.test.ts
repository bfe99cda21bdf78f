import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FederationClient } from '../../../src/components/federationclient/index.js'
import type { ServerName } from '../../../src/protocol/ids.js'
import { sendJson } from '../../support/evil-server.js'
import { createWorld, failureOf, NAMES, type World } from './support.js'

const PATH = '/_matrix/federation/v1/version'
const WELL_KNOWN = '/.well-known/matrix/server'

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())
beforeEach(async () => {
  const { remote, dns, test } = world
  remote.received.length = 0
  remote.plays.clear()
  remote.plays.set(PATH, (_request, response) => sendJson(response, {}))
  dns.records.clear()
  for (const name of NAMES) dns.records.set(name, { addresses: ['127.0.0.1'] })
  dns.asked.length = 0
  await test.database.run({ name: 'test.forget', sql: 'DELETE FROM federationclient.destinations' })
})

function ask(client: FederationClient, destination: string): Promise<unknown> {
  return failureOf(
    client.request({ destination: destination as ServerName, method: 'GET', path: PATH, deadlineMs: 3_000 }),
  )
}

/** Host header and name of the handshake of the last request that was not for well-known. */
function reached(): unknown {
  const last = world.remote.received.filter(({ url }) => url !== WELL_KNOWN).at(-1)
  return last && [last.headers.host, last.sni]
}

function wellKnown(body: unknown, headers: Record<string, string> = {}, status = 200): void {
  world.remote.plays.set(WELL_KNOWN, (_request, response) => sendJson(response, body as object, status, headers))
}

const answered = { answered: {} }

describe('server discovery', () => {
  it('step 1: an address is connected to as it stands, with itself as Host and without a name in the handshake', async () => {
    const { port } = world.remote
    expect(await ask(world.client(), `127.0.0.1:${port}`)).toEqual(answered)
    expect(reached()).toEqual([`127.0.0.1:${port}`, false])
    expect(await ask(world.client(), '127.0.0.1')).toEqual(answered)
    expect(reached()).toEqual(['127.0.0.1', false])
  })

  it('step 2: a name with a port needs no delegation', async () => {
    const { port } = world.remote
    expect(await ask(world.client(), `a.example:${port}`)).toEqual(answered)
    expect(reached()).toEqual([`a.example:${port}`, 'a.example'])
    expect(world.dns.asked.filter((question) => question.startsWith('SRV'))).toEqual([])
    expect(world.remote.received.length).toBe(1)
  })

  it('step 3.1: a delegation to an address', async () => {
    wellKnown({ 'm.server': `127.0.0.1:${world.remote.port}` })
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual([`127.0.0.1:${world.remote.port}`, false])
  })

  it('step 3.2: a delegation to a name with a port', async () => {
    wellKnown({ 'm.server': `delegate.example:${world.remote.port}` })
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual([`delegate.example:${world.remote.port}`, 'delegate.example'])
  })

  it.each(['_matrix-fed._tcp', '_matrix._tcp'])(
    'steps 3.3 and 3.4: a delegation to a name with an SRV record for %s; the certificate is for the delegate',
    async (service) => {
      wellKnown({ 'm.server': 'delegate.example' })
      world.dns.records.set(`${service}.delegate.example`, {
        services: [{ target: 'other.example', port: world.remote.port }],
      })
      expect(
        await ask(world.client(undefined, { ports: { https: world.remote.port, federation: 1 } }), 'a.example'),
      ).toEqual(answered)
      expect(reached()).toEqual(['delegate.example', 'delegate.example'])
    },
  )

  it('step 3.5: a delegation to a name without SRV records', async () => {
    wellKnown({ 'm.server': 'delegate.example' })
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual(['delegate.example', 'delegate.example'])
  })

  it.each(['_matrix-fed._tcp', '_matrix._tcp'])(
    'steps 4 and 5: no delegation, an SRV record for %s',
    async (service) => {
      world.dns.records.set(`${service}.a.example`, {
        services: [{ target: 'other.example', port: world.remote.port }],
      })
      expect(
        await ask(world.client(undefined, { ports: { https: world.remote.port, federation: 1 } }), 'a.example'),
      ).toEqual(answered)
      expect(reached()).toEqual(['a.example', 'a.example'])
    },
  )

  it('the registered service wins over the deprecated one, and targets are tried in their order', async () => {
    const { port } = world.remote
    world.dns.records.set('_matrix-fed._tcp.a.example', {
      services: [
        { target: 'other.example', port, priority: 20 },
        { target: 'other.example', port: 1, priority: 10 },
      ],
    })
    world.dns.records.set('_matrix._tcp.a.example', { services: [{ target: 'other.example', port: 2 }] })
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(world.dns.asked).not.toContain('SRV _matrix._tcp.a.example')
  })

  it('step 6: neither delegation nor SRV records, and aliases are followed', async () => {
    world.dns.records.set('a.example', { alias: 'elsewhere.example' })
    world.dns.records.set('elsewhere.example', { addresses: ['127.0.0.1'] })
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual(['a.example', 'a.example'])
  })

  it.each([
    ['no JSON', '<html>'],
    ['no m.server', { server: 'delegate.example' }],
    ['no server name', { 'm.server': 'https://delegate.example/' }],
    ['a number', { 'm.server': 5 }],
    ['too large', { 'm.server': 'delegate.example', filling: 'x'.repeat(60_000) }],
  ])('a delegation that is %s is none', async (_what, body) => {
    world.remote.plays.set(WELL_KNOWN, (_request, response) =>
      response.end(typeof body === 'string' ? body : JSON.stringify(body)),
    )
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual(['a.example', 'a.example'])
  })

  it('a delegation is found behind redirects, not behind a loop of them', async () => {
    world.remote.plays.set(WELL_KNOWN, (_request, response) => response.writeHead(302, { location: '/moved' }).end())
    world.remote.plays.set('/moved', (_request, response) => sendJson(response, { 'm.server': 'delegate.example' }))
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual(['delegate.example', 'delegate.example'])
    world.remote.plays.set('/moved', (_request, response) => response.writeHead(302, { location: '/moved' }).end())
    expect(await ask(world.client(), 'a.example')).toEqual(answered)
    expect(reached()).toEqual(['a.example', 'a.example'])
  })

  it('a delegation is kept as long as its headers say, at least five minutes, and two hours longer when it is lost', async () => {
    const client = world.client()
    const fetches = () => world.remote.received.filter(({ url }) => url === WELL_KNOWN).length
    wellKnown({ 'm.server': 'delegate.example' }, { 'cache-control': 'public, max-age=3600' })
    await ask(client, 'a.example')
    world.clock.advance(50 * 60_000)
    await ask(client, 'a.example')
    expect(fetches()).toBe(1)
    wellKnown({}, {}, 503)
    world.clock.advance(15 * 60_000)
    await ask(client, 'a.example')
    expect([fetches(), reached()]).toEqual([2, ['delegate.example', 'delegate.example']])
    world.clock.advance(3 * 3_600_000)
    await ask(client, 'a.example')
    expect([fetches(), reached()]).toEqual([3, ['a.example', 'a.example']])
  })

  it('many requests at the same time fetch a delegation once', async () => {
    const client = world.client()
    wellKnown({ 'm.server': 'delegate.example' })
    await Promise.all(Array.from({ length: 10 }, () => ask(client, 'a.example')))
    expect(world.remote.received.filter(({ url }) => url === WELL_KNOWN).length).toBe(1)
  })

  it('a certificate for another name is refused, and a name that is only the SRV target is another name', async () => {
    world.dns.records.set('wrong.example', { addresses: ['127.0.0.1'] })
    world.dns.records.set('_matrix-fed._tcp.wrong.example', {
      services: [{ target: 'a.example', port: world.remote.port }],
    })
    expect(await ask(world.client(), 'wrong.example')).toBe('unreachable')
    expect(world.remote.received).toEqual([])
  })

  it('a certificate nobody vouches for is refused, unless the configuration says otherwise', async () => {
    const name = `a.example:${world.remote.port}`
    expect(await ask(world.client(undefined, { certificateAuthorities: [] }), name)).toBe('unreachable')
    await world.test.database.run({ name: 'test.forget2', sql: 'DELETE FROM federationclient.destinations' })
    const lax = world.client('federation_api: { deny_networks: [], disable_tls_validation: true }', {
      certificateAuthorities: [],
    })
    expect(await ask(lax, name)).toEqual(answered)
  })

  it.each(['127.0.0.1', 'localhost', 'a.example', '127.1', '0x7f.1', '2130706433', '[::ffff:127.0.0.1]', '[::1]'])(
    '%s is not connected to where its address is in a denied network',
    async (host) => {
      const denying = world.client('')
      expect(await ask(denying, `${host}:${world.remote.port}`)).toBe('denied')
      expect(world.remote.received).toEqual([])
    },
  )

  it('a name that does not exist is asked for once a minute', async () => {
    const client = world.client()
    expect(await ask(client, 'missing.example:8448')).toBe('unreachable')
    const before = world.dns.asked.length
    world.clock.advance(30_000)
    expect(await ask(client, 'missing.example:8448')).toBe('unreachable')
    expect(world.dns.asked.length).toBe(before)
  })
})
