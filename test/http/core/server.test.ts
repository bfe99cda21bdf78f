import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as unixRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Reply, route } from '../../../src/http/route.js'
import { jsonObjectSchema } from '../../../src/http/schema/json.js'
import { DatabaseUnavailable } from '../../../src/platform/database.js'
import { MatrixError } from '../../../src/protocol/matrix-error.js'
import { rawExchange, startTestHttp, type TestHttp } from '../../support/http.js'

const routes = [
  route({ method: 'GET', path: '/plain', auth: 'none', handler: async () => ({ ok: true }) }),
  route({
    method: 'POST',
    path: '/echo',
    auth: 'none',
    body: jsonObjectSchema,
    handler: async ({ body, rawBody }) => ({ body, rawBody }),
  }),
  route({ method: 'PUT', path: '/content', auth: 'none', body: jsonObjectSchema, handler: async ({ body }) => body }),
  route({
    method: 'POST',
    path: '/strict/{id}',
    auth: 'none',
    params: z.object({ id: z.string().regex(/^\d+$/) }),
    query: z.looseObject({ need: z.string() }),
    body: z.looseObject({ name: z.string() }),
    handler: async () => ({}),
  }),
  route({ method: 'GET', path: '/closed', auth: 'user', handler: async () => ({}) }),
  route({
    method: 'GET',
    path: '/broken',
    auth: 'none',
    handler: async () => {
      throw new TypeError('the secret is hunter2')
    },
  }),
  route({
    method: 'GET',
    path: '/away',
    auth: 'none',
    handler: async () => {
      throw new DatabaseUnavailable('connection refused', {})
    },
  }),
  route({
    method: 'GET',
    path: '/limited',
    auth: 'none',
    handler: async () => {
      throw new MatrixError('M_LIMIT_EXCEEDED', 'slow down', { extra: { retry_after_ms: 1500 } })
    },
  }),
  route({
    method: 'GET',
    path: '/poll',
    auth: 'none',
    handler: ({ signal }) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve({ polled: true })
        signal.addEventListener('abort', () => resolve({ polled: true }))
      }),
  }),
  route({
    method: 'GET',
    path: '/page',
    auth: 'none',
    handler: async () => new Reply({ status: 201, body: 'text', contentType: 'text/plain' }),
  }),
]

describe('an answer', () => {
  let test: TestHttp
  beforeAll(async () => {
    test = await startTestHttp(routes)
  })
  afterAll(() => test.close())

  it('carries the CORS headers whatever it is, and a preflight needs no token', async () => {
    const cases: [string, string, number][] = [
      ['GET', '/plain', 200],
      ['GET', '/nowhere', 404],
      ['DELETE', '/plain', 405],
      ['GET', '/closed', 401],
      ['GET', '/broken', 500],
      ['OPTIONS', '/closed', 200],
      ['OPTIONS', '/nowhere', 200],
      ['GET', '/page', 201],
    ]
    for (const [method, path, status] of cases) {
      const answer = await test.client.request(method, path)
      expect(answer.status, path).toBe(status)
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('access-control-allow-methods')).toContain('PUT')
      expect(answer.headers.get('access-control-allow-headers')).toContain('Authorization')
    }
  })

  it('to an unknown path or method is M_UNRECOGNIZED', async () => {
    expect(await test.client.get('/nowhere')).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
    expect(await test.client.put('/plain')).toMatchObject({ status: 405, body: { errcode: 'M_UNRECOGNIZED' } })
    expect(await test.client.request('PATCH', '/plain')).toMatchObject({ status: 405 })
  })

  it('to trailing junk on any path is 404', async () => {
    for (const path of ['/plain/', '/plain/x', '//plain', '/plain/../plain', '/plain//']) {
      const raw = await rawExchange(test.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      expect(raw, path).toMatch(/^HTTP\/1\.1 404 .*M_UNRECOGNIZED/s)
    }
  })

  it('never tells what went wrong inside', async () => {
    const answer = await test.client.get('/broken')
    expect(answer).toMatchObject({ status: 500, body: { errcode: 'M_UNKNOWN' } })
    expect(JSON.stringify(answer.body)).not.toContain('hunter2')
  })

  it('without a database is 503 with Retry-After', async () => {
    const answer = await test.client.get('/away')
    expect(answer).toMatchObject({ status: 503, body: { errcode: 'M_UNKNOWN' } })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('that limits has Retry-After in whole seconds beside retry_after_ms', async () => {
    const answer = await test.client.get('/limited')
    expect(answer).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1500 } })
    expect(answer.headers.get('retry-after')).toBe('2')
  })
})

describe('a body', () => {
  let test: TestHttp
  beforeAll(async () => {
    test = await startTestHttp(routes, { bounds: { maxBodyBytes: 100_000 } })
  })
  afterAll(() => test.close())

  const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    test.client.request('POST', '/echo', { body, headers })

  it('is JSON whatever its Content-Type says, or without one', async () => {
    for (const type of [
      'application/json',
      'text/plain',
      'multipart/form-data',
      ';;;',
      'application/x-www-form-urlencoded',
    ]) {
      expect(await post('{"a":1}', { 'content-type': type }), type).toMatchObject({
        status: 200,
        body: { body: { a: 1 } },
      })
    }
    const raw = await rawExchange(
      test.port,
      'POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{"a":1}',
    )
    expect(raw).toContain('{"a":1}')
  })

  it('keeps __proto__, constructor and big numbers as they came', async () => {
    const text = '{"__proto__":{"x":1},"constructor":2,"big":9007199254740993,"one":1.0}'
    const response = await fetch(`${test.client.url}/echo`, { method: 'POST', body: text })
    expect(await response.text()).toContain(text)
  })

  it('that is no JSON is M_NOT_JSON, one that Matrix does not allow M_BAD_JSON (F44, F46)', async () => {
    const notJson = ['{', '{"a":1}x', 'NaN', '{"a":Infinity}', '\ufeff{}', `${'['.repeat(50_000)}`, '{"a":\u0001}']
    for (const text of notJson) {
      expect(await post(text), text.slice(0, 20)).toMatchObject({ status: 400, body: { errcode: 'M_NOT_JSON' } })
    }
    const invalidUtf8 = Buffer.from([0x7b, 0x22, 0x61, 0x81, 0x22, 0x3a, 0x31, 0x7d])
    expect(await post(invalidUtf8)).toMatchObject({ status: 400, body: { errcode: 'M_NOT_JSON' } })
    expect(await post(Buffer.from('{"a":1}', 'utf16le'))).toMatchObject({
      status: 400,
      body: { errcode: 'M_NOT_JSON' },
    })
    for (const text of ['[]', '"text"', '1', '{"a":1,"a":2}', '{"a":"\\ud800"}']) {
      expect(await post(text), text).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    }
  })

  it('that is empty stands for {} in a POST but not in a PUT', async () => {
    expect(await post('')).toMatchObject({ status: 200, body: { body: {} } })
    expect(await test.client.request('PUT', '/content', { body: '' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_NOT_JSON' },
    })
    expect(await test.client.request('POST', '/strict/1?need=x')).toMatchObject({
      status: 400,
      body: { errcode: 'M_NOT_JSON' },
    })
  })

  it('over the limit is M_TOO_LARGE, announced or in chunks', async () => {
    const big = `{"a":"${'x'.repeat(100_000)}"}`
    expect(await post(big)).toMatchObject({ status: 413, body: { errcode: 'M_TOO_LARGE' } })
    const chunked = await rawExchange(
      test.port,
      `POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 413 .*M_TOO_LARGE/s)
  })

  it('is not read before the caller is known to be allowed', async () => {
    const raw = await rawExchange(test.port, 'POST /closed HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n{')
    expect(raw).toMatch(/^HTTP\/1\.1 405 .*Connection: close/s)
  })

  it('names what is missing or wrong in parameters', async () => {
    const strict = (path: string, body: object) => test.client.post(path, body)
    expect(await strict('/strict/x?need=1', { name: 'a' })).toMatchObject({ body: { errcode: 'M_INVALID_PARAM' } })
    expect(await strict('/strict/1', { name: 'a' })).toMatchObject({ body: { errcode: 'M_MISSING_PARAM' } })
    expect(await strict('/strict/1?need=1&need=2', { name: 'a' })).toMatchObject({
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await strict('/strict/1?need=1', { name: 1 })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
  })
})

describe('request smuggling (class SMUG, row 111)', () => {
  let test: TestHttp
  beforeAll(async () => {
    test = await startTestHttp(routes)
  })
  afterAll(() => test.close())

  it.each([
    [
      'a length and chunks',
      'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /plain HTTP/1.1\r\n\r\n',
    ],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}GE'],
    ['a bad chunk size', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n'],
    ['an unknown transfer encoding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a space before the colon', 'Content-Length : 2\r\n\r\n{}'],
    ['a bare line feed', 'A: b\nContent-Length: 2\r\n\r\n{}'],
  ])('with %s is refused, and the connection ends', async (_name, rest) => {
    const raw = await rawExchange(test.port, `POST /echo HTTP/1.1\r\nHost: x\r\n${rest}`)
    expect(raw).toMatch(/^HTTP\/1\.1 400 /)
    expect(raw.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(raw).toMatch(/Connection: close/)
  })

  it('pipelined requests are answered in order, each its own', async () => {
    const post = (body: string) => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const raw = await rawExchange(
      test.port,
      `${post('{"n":1}')}${post('{"n":2}')}GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    )
    expect([...raw.matchAll(/"n":(\d)|"ok"/g)].map((match) => match[0])).toEqual(
      expect.arrayContaining(['"n":1', '"n":2', '"ok"']),
    )
    expect(raw.indexOf('"n":1')).toBeLessThan(raw.indexOf('"n":2'))
    expect(raw.indexOf('"n":2')).toBeLessThan(raw.indexOf('"ok"'))
  })
})

describe('slow and absent clients', () => {
  it('headers and bodies that drip are cut, while others are served', async () => {
    const test = await startTestHttp(routes, { bounds: { headersTimeoutMs: 300, requestTimeoutMs: 600 } })
    const headers = rawExchange(test.port, 'GET /plain HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    const body = rawExchange(test.port, 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
    expect(await test.client.get('/plain')).toMatchObject({ status: 200 })
    expect(await headers).toMatch(/^(HTTP\/1\.1 408 |$)/)
    expect(await body).toMatch(/^(HTTP\/1\.1 408 |$)/)
    await test.close()
  })

  it('a client that goes away aborts what it waited for', async () => {
    let aborted: () => void = () => undefined
    const gone = new Promise<void>((resolve) => {
      aborted = resolve
    })
    let entered: () => void = () => undefined
    const waiting = new Promise<void>((resolve) => {
      entered = resolve
    })
    const wait = route({
      method: 'GET',
      path: '/wait',
      auth: 'none',
      handler: ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted()
            resolve({})
          })
          entered()
        }),
    })
    const test = await startTestHttp([wait])
    const controller = new AbortController()
    const answer = test.client.request('GET', '/wait', { signal: controller.signal }).catch(() => undefined)
    await waiting
    controller.abort()
    await gone
    await answer
    await test.close()
    expect(test.http.inFlight).toBe(0)
  })
})

describe('a connection without traffic', () => {
  const big = route({
    method: 'GET',
    path: '/big',
    auth: 'none',
    handler: async () => new Reply({ body: Buffer.alloc(64 << 20), contentType: 'application/octet-stream' }),
  })

  it('is cut when its client does not take the answer, but not while a long poll waits', async () => {
    const test = await startTestHttp([...routes, big], { bounds: { writeTimeoutMs: 300 } })
    const poll = test.client.get('/poll')
    const socket = connect(test.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n')
    const cut = new Promise<number>((resolve) => {
      let received = 0
      // Nothing is read before somebody listens.
      socket.on('close', () => resolve(received))
      void pause(1_200).then(() =>
        socket.on('data', (chunk) => {
          received += chunk.length
        }),
      )
    })
    // The poll outlasts the bound several times, its own connection being as quiet as the slow reader's.
    expect(await cut).toBeLessThan(64 << 20)
    expect(test.http.inFlight).toBe(1)
    await test.close()
    expect(await poll).toMatchObject({ status: 200, body: { polled: true } })
  })
})

describe('closing', () => {
  it('answers long polls at once and then refuses connections', async () => {
    const test = await startTestHttp(routes)
    const polls = Array.from({ length: 20 }, () => test.client.get('/poll'))
    while (test.http.inFlight < 20) await new Promise((resolve) => setImmediate(resolve))
    const since = performance.now()
    await test.close()
    expect(performance.now() - since).toBeLessThan(1_000)
    for (const poll of await Promise.all(polls)) expect(poll).toMatchObject({ status: 200, body: { polled: true } })
    await expect(test.client.get('/plain')).rejects.toThrow()
  })

  it('cuts what is not finished when the time is up', async () => {
    const never = route({ method: 'GET', path: '/never', auth: 'none', handler: () => new Promise(() => undefined) })
    const test = await startTestHttp([never])
    const answer = test.client.get('/never').catch(() => 'cut')
    while (test.http.inFlight < 1) await new Promise((resolve) => setImmediate(resolve))
    await test.http.close(100)
    expect(await answer).toBe('cut')
  })

  it('is not held up by idle connections', async () => {
    const test = await startTestHttp(routes)
    const idle = connect(test.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    const since = performance.now()
    await test.close()
    expect(performance.now() - since).toBeLessThan(1_500)
    idle.destroy()
  })
})

describe('listeners', () => {
  it('serve on a Unix socket, in place of one that a killed server has left', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'neurite-http-'))
    const path = join(folder, 's')
    const test = await startTestHttp(routes)
    await test.http.listen({ kind: 'unix', path, mode: 0o700 })
    const status = await new Promise((resolve, reject) => {
      unixRequest({ socketPath: path, path: '/plain' }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(200)
    const second = await startTestHttp(routes)
    await expect(second.http.listen({ kind: 'unix', path })).rejects.toThrow('EADDRINUSE')
    await second.close()
    await test.close()
    await writeFile(join(folder, 'file'), 'kept')
    const third = await startTestHttp(routes)
    await expect(third.http.listen({ kind: 'unix', path: join(folder, 'file') })).rejects.toThrow('EADDRINUSE')
    await third.close()
    await rm(folder, { recursive: true })
  })
})
