import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  clientError,
  type FederationClient,
  FederationFailure,
} from '../../../src/components/federationclient/index.js'
import type { ServerName } from '../../../src/protocol/ids.js'
import type { JsonObject } from '../../../src/protocol/json.js'
import { verifyKeyOf, verifyText } from '../../../src/protocol/signing.js'
import { parseXMatrix, signedRequestText } from '../../../src/protocol/x-matrix.js'
import { type Play, sendJson } from '../../support/evil-server.js'
import { createWorld, failureOf, OWN_KEY, OWN_NAME, type World } from './support.js'

const PATH = '/_matrix/federation/v1/test'

let world: World
let destination: ServerName
beforeAll(async () => {
  world = await createWorld()
  destination = `a.example:${world.remote.port}` as ServerName
})
afterAll(() => world.close())
beforeEach(async () => {
  world.remote.received.length = 0
  world.remote.plays.clear()
  await world.test.database.run({ name: 'test.forget', sql: 'DELETE FROM federationclient.destinations' })
})

function play(play: Play): void {
  world.remote.plays.set(PATH, play)
}

function ask(client: FederationClient, more: object = {}): Promise<unknown> {
  return failureOf(client.request({ destination, method: 'GET', path: PATH, deadlineMs: 2_000, ...more }))
}

describe('requests to other servers', () => {
  it('are signed over method, path and query as sent, both names and the body', async () => {
    play((_request, response) => sendJson(response, { ok: 1 }))
    const body: JsonObject = { z: 'é', a: [1, { c: null, b: true }] }
    const path = `${PATH}?v=it's&x=%24a%2Fb`
    expect(await world.client().request({ destination, method: 'PUT', path, body })).toEqual({ ok: 1 })
    const [seen] = world.remote.received
    const claims = parseXMatrix(String(seen?.headers.authorization))
    expect(claims).toMatchObject({ origin: OWN_NAME, destination, keyId: OWN_KEY.keyId })
    const content = seen?.body ?? ''
    expect(content).toBe('{"a":[1,{"b":true,"c":null}],"z":"é"}')
    const text = signedRequestText({ method: 'PUT', uri: seen?.url ?? '', origin: OWN_NAME, destination, content })
    const key = verifyKeyOf(OWN_KEY.publicKey)
    expect(key && verifyText(text, claims?.signature ?? '', key)).toBe(true)
    expect(seen?.headers['user-agent']).toBe('Neurite test')
  })

  it.each([
    ['HTML', '<html>'],
    ['half a body', '{"a":'],
    ['a list', '[]'],
    ['two keys of one name', '{"a":1,"a":2}'],
    ['nothing', ''],
  ])('an answer of 200 with %s is a failure', async (_what, text) => {
    play((_request, response) => response.end(text))
    expect(await ask(world.client())).toBe('bad-answer')
  })

  it('an endless or compressed answer is cut or refused', async () => {
    const chunk = Buffer.alloc(65_536, ' ')
    play((_request, response) => {
      const more = () => {
        while (response.write(chunk));
      }
      response.on('drain', more)
      more()
    })
    expect(await ask(world.client(), { maxBytes: 1 << 20 })).toBe('too-large')
    play((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from('1f8b08', 'hex')),
    )
    expect(await ask(world.client(), { evenIfFailing: true })).toBe('bad-answer')
  })

  it('silence and dripping end at one deadline for all', async () => {
    play(() => undefined)
    expect(await ask(world.client(), { deadlineMs: 150 })).toBe('timeout')
    play((_request, response) => {
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    })
    expect(await ask(world.client(), { deadlineMs: 150, evenIfFailing: true })).toBe('timeout')
  })

  it('a name server that is silent costs no more than the deadline, and can be given up', async () => {
    world.dns.records.set('silent.example', { broken: 'silent' })
    const silent = { destination: 'silent.example:8448' as ServerName, deadlineMs: 150 }
    expect(await ask(world.client(), silent)).toBe('timeout')
    const abort = new AbortController()
    const asked = ask(world.client(), { ...silent, deadlineMs: 5_000, signal: abort.signal, evenIfFailing: true })
    abort.abort()
    expect(await asked).toBe('aborted')
  })

  it('nothing is sent to this server itself', async () => {
    expect(await ask(world.client(), { destination: OWN_NAME })).toBe('disabled')
  })

  it.each([401, 429, 500, 503])('after a %i a server is left alone, also after a restart', async (status) => {
    play((_request, response) => sendJson(response, {}, status))
    const client = world.client()
    expect(await ask(client)).toEqual(['refused', status])
    expect(await ask(client)).toBe('backing-off')
    expect(await ask(world.client())).toBe('backing-off')
    expect(world.remote.received.length).toBe(1)
    play((_request, response) => sendJson(response, {}))
    expect(await ask(client, { evenIfFailing: true })).toEqual({ answered: {} })
  })

  it.each([400, 403, 404, 410])('a %i is about the request, not about the server', async (status) => {
    play((_request, response) => sendJson(response, { errcode: 'M_FORBIDDEN' }, status))
    const client = world.client()
    expect([await ask(client), await ask(client)]).toEqual([
      ['refused', status],
      ['refused', status],
    ])
  })

  it('failures at the same time count once, those that follow double the wait, Retry-After is kept to', async () => {
    const client = world.client()
    play((_request, response) => sendJson(response, {}, 500))
    await Promise.all(Array.from({ length: 5 }, () => ask(client)))
    const wait = async () => (await client.retryAt(destination)) - world.clock.now()
    expect(await wait()).toBeGreaterThan(1_500)
    expect(await wait()).toBeLessThan(2_900)
    world.clock.advance(3_000)
    await ask(client)
    expect(await wait()).toBeGreaterThan(3_100)
    play((_request, response) => sendJson(response, {}, 429, { 'retry-after': '3600' }))
    world.clock.advance(6_000)
    await ask(client)
    expect(await wait()).toBeGreaterThan(3_600_000 * 0.79)
  })

  it('after the last allowed failure only the server itself ends the silence', async () => {
    const client = world.client('federation_api: { deny_networks: [], send_max_retries: 1 }')
    play((_request, response) => sendJson(response, {}, 500))
    await ask(client)
    world.clock.advance(3_000)
    await ask(client)
    expect(await client.retryAt(destination)).toBe(Number.POSITIVE_INFINITY)
    const recovered = new Promise((resolve) => client.onRecovered(resolve))
    client.heardFrom(destination)
    expect(await recovered).toBe(destination)
    expect(await client.retryAt(destination)).toBe(0)
    expect(await world.client().retryAt(destination)).toBe(0)
  })

  it('go through the configured proxy, which connects and sees nothing', async () => {
    play((_request, response) => sendJson(response, { through: true }))
    const connects: (string | undefined)[] = []
    const proxy = createServer((_request, response) => response.writeHead(405).end())
    proxy.on('connect', (request, socket) => {
      connects.push(request.url)
      const onward = connect(world.remote.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      for (const end of [onward, socket]) end.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const client = world.client(
      `federation_api: { deny_networks: [], proxy_outbound: { enabled: true, host: 127.0.0.1, port: ${port} } }`,
    )
    expect(await ask(client)).toEqual({ answered: { through: true } })
    expect(connects).toEqual([destination])
    await client.stop()
    proxy.closeAllConnections()
    proxy.close()
  })

  it('a stream that breaks off is a failure of the server', async () => {
    play((_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half')
      setImmediate(() => response.destroy())
    })
    const client = world.client()
    const { body } = await client.stream({ destination, method: 'GET', path: PATH })
    const read = async () => {
      for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0)
    }
    expect(await failureOf(read())).toBe('unreachable')
    expect(await client.retryAt(destination)).toBeGreaterThan(0)
  })
})

describe('what a client is told of a remote failure', () => {
  const refused = (status: number, body: JsonObject) => {
    const {
      errcode,
      status: told,
      extra,
      message,
    } = clientError(new FederationFailure('refused', 'a.example' as ServerName, `answers ${status}`, { status, body }))
    return { errcode, told, extra, message }
  }
  it.each(['M_UNKNOWN_TOKEN', 'M_MISSING_TOKEN', 'M_UNAUTHORIZED', 'M_USER_LOCKED', 'M_UNRECOGNIZED', 'X_OWN'])(
    '%s becomes a 502',
    (errcode) => {
      expect(refused(401, { errcode, error: 'x', soft_logout: true })).toMatchObject({
        errcode: 'M_UNKNOWN',
        told: 502,
        extra: {},
      })
    },
  )

  it('a refusal of what was asked for is passed on, with the status of its code', () => {
    expect(refused(401, { errcode: 'M_FORBIDDEN', error: 'You are banned' })).toEqual({
      errcode: 'M_FORBIDDEN',
      told: 403,
      extra: {},
      message: 'You are banned',
    })
    expect(refused(400, { errcode: 'M_INCOMPATIBLE_ROOM_VERSION', room_version: '99' })).toMatchObject({
      told: 400,
      extra: { room_version: '99' },
    })
    expect(refused(429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1e15 })).toMatchObject({
      told: 429,
      extra: { retry_after_ms: 3_600_000 },
    })
  })

  it('silence is a 504, everything else a 502', () => {
    const status = (reason: 'timeout' | 'denied' | 'backing-off' | 'bad-answer') =>
      clientError(new FederationFailure(reason, 'a.example' as ServerName, 'x')).status
    expect([status('timeout'), status('denied'), status('backing-off'), status('bad-answer')]).toEqual([
      504, 502, 502, 502,
    ])
  })
})
