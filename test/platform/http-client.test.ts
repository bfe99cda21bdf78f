import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNetworkPolicy } from '../../src/platform/denied-networks.js'
import {
  createHttpClient,
  type HttpClient,
  OutboundFailure,
  type OutboundReason,
} from '../../src/platform/http-client.js'

const PRIVATE = ['127.0.0.0/8', '10.0.0.0/8', '192.168.0.0/16', '::1/128', 'fc00::/7', '169.254.0.0/16']

describe('network policy', () => {
  const policy = createNetworkPolicy(PRIVATE)
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '2002:0a00:0001::',
    '::10.0.0.1',
    '64:ff9b::a00:1',
    '0.0.0.0',
    '::',
    'not an address',
    '169.254.169.254',
  ])('%s is denied', (address) => {
    expect(policy.isDenied(address)).toBe(true)
  })

  it.each(['1.1.1.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101'])('%s is allowed', (address) => {
    expect(policy.isDenied(address)).toBe(false)
  })

  it('denied wins over allowed, and outside of what is allowed nothing is reached', () => {
    const narrow = createNetworkPolicy(['10.0.0.0/8'], ['10.1.0.0/16', '1.0.0.0/8'])
    expect(['10.1.0.1', '1.1.1.1', '8.8.8.8'].map((address) => narrow.isDenied(address))).toEqual([true, false, true])
    const dendrite = createNetworkPolicy(['10.0.0.0/8'], ['0.0.0.0/0'])
    expect(['8.8.8.8', '2606:4700::1111'].map((address) => dendrite.isDenied(address))).toEqual([false, false])
  })
})

describe('outbound requests', () => {
  let server: Server
  let base: string
  let port: number
  const seen: IncomingMessage[] = []
  const clients: HttpClient[] = []

  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(request)
      answers[request.url?.split('?')[0] ?? '']?.(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
    base = `http://127.0.0.1:${port}`
  })
  afterAll(async () => {
    for (const client of clients) await client.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    '/ok': (request, response) => {
      request.pipe(response.writeHead(200, { 'X-Test': 'yes' }), { end: true })
    },
    '/big': (_request, response) => {
      const chunk = Buffer.alloc(65_536, 'x')
      const more = () => {
        while (response.write(chunk));
      }
      response.on('drain', more).on('error', () => undefined)
      more()
    },
    '/silent': () => undefined,
    '/drip': (_request, response) => {
      const timer = setInterval(() => response.write('x'), 10)
      response.on('close', () => clearInterval(timer))
    },
    '/elsewhere': (_request, response) => response.writeHead(302, { location: `http://localhost:${port}/ok` }).end(),
    '/inside': (_request, response) => response.writeHead(307, { location: 'http://10.0.0.1/secret' }).end(),
    '/file': (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/loop': (_request, response) => response.writeHead(302, { location: '/loop' }).end(),
    '/cut': (_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half')
      setImmediate(() => response.destroy())
    },
  }

  function client(denied: string[] = ['10.0.0.0/8'], lookup?: LookupFunction): HttpClient {
    const made = createHttpClient({
      policy: createNetworkPolicy(denied),
      userAgent: 'Neurite test',
      ...(lookup === undefined ? {} : { lookup }),
    })
    clients.push(made)
    return made
  }

  async function failure(request: Promise<unknown>): Promise<OutboundReason | unknown> {
    return request.then(
      () => 'answered',
      (error: unknown) => (error instanceof OutboundFailure ? error.reason : error),
    )
  }
  const limits = { deadlineMs: 2_000, maxBytes: 1_000_000 }

  it('send what they are given and give back what they get', async () => {
    const answer = await client().request({ method: 'POST', url: `${base}/ok?a=b`, body: 'hello', ...limits })
    expect([answer.status, answer.body.toString(), answer.headers.get('x-test')]).toEqual([200, 'hello', 'yes'])
    expect(seen.at(-1)?.headers['user-agent']).toBe('Neurite test')
  })

  it('name the server they mean when they connect elsewhere', async () => {
    await client().request({ url: `${base}/ok`, headers: { Host: 'example.org' }, ...limits })
    expect(seen.at(-1)?.headers.host).toBe('example.org')
  })

  it.each(['http://127.0.0.1', 'http://0x7f.1', 'http://2130706433', 'http://[::ffff:127.0.0.1]', 'http://localhost'])(
    '%s is refused before connecting when loopback is denied',
    async (origin) => {
      const before = seen.length
      const refused = client(PRIVATE).request({ url: `${origin}:${port}/ok`, ...limits })
      expect(await failure(refused)).toBe('denied')
      expect(seen.length).toBe(before)
    },
  )

  it('a name is connected to at the address that was checked, not at a later answer', async () => {
    let asked = 0
    const rebinding: LookupFunction = (_name, _options, callback) => {
      asked++
      callback(null, [{ address: asked === 1 ? '192.0.2.1' : '127.0.0.1', family: 4 }])
    }
    const before = seen.length
    const refused = client(PRIVATE, rebinding).request({
      url: `http://rebind.test:${port}/ok`,
      deadlineMs: 200,
      maxBytes: 10,
    })
    expect(['timeout', 'unreachable']).toContain(await failure(refused))
    expect([asked, seen.length]).toEqual([1, before])
  })

  it('a name with a private and a public address is never reached at the private one', async () => {
    const mixed: LookupFunction = (_name, _options, callback) =>
      callback(null, [
        { address: '10.0.0.1', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
    const answer = await client(['10.0.0.0/8'], mixed).request({ url: `http://mixed.test:${port}/ok`, ...limits })
    expect(answer.status).toBe(200)
  })

  it('redirects are followed as far as asked, checked, and without credentials for others', async () => {
    const headers = { authorization: 'X-Matrix secret' }
    const followed = await client().request({ url: `${base}/elsewhere`, maxRedirects: 2, headers, ...limits })
    expect([followed.status, followed.url]).toEqual([200, `http://localhost:${port}/ok`])
    expect(seen.at(-1)?.headers.authorization).toBeUndefined()
    expect((await client().request({ url: `${base}/elsewhere`, ...limits })).status).toBe(302)
    expect(await failure(client().request({ url: `${base}/inside`, maxRedirects: 2, ...limits }))).toBe('denied')
    expect(await failure(client().request({ url: `${base}/file`, maxRedirects: 2, ...limits }))).toBe('denied')
    expect(await failure(client().request({ url: `${base}/loop`, maxRedirects: 3, ...limits }))).toBe(
      'too-many-redirects',
    )
  })

  it('an endless answer is cut at the cap', async () => {
    expect(await failure(client().request({ url: `${base}/big`, ...limits }))).toBe('too-large')
  })

  it('silence and dripping both end at the one deadline', async () => {
    const short = { deadlineMs: 100, maxBytes: 1_000 }
    expect(await failure(client().request({ url: `${base}/silent`, ...short }))).toBe('timeout')
    expect(await failure(client().request({ url: `${base}/drip`, ...short }))).toBe('timeout')
  })

  it('a request can be given up, and a broken answer is a failure', async () => {
    const abort = new AbortController()
    const given = client().request({ url: `${base}/silent`, signal: abort.signal, ...limits })
    abort.abort()
    expect(await failure(given)).toBe('aborted')
    expect(await failure(client().request({ url: `${base}/cut`, ...limits }))).toBe('unreachable')
    expect(await failure(client().request({ url: 'http://127.0.0.1:1/', ...limits }))).toBe('unreachable')
  })

  it('a stream can be left early', async () => {
    const answer = await client().stream({ url: `${base}/big`, deadlineMs: 2_000, maxBytes: 1e9 })
    for await (const chunk of answer.body) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
  })
})
