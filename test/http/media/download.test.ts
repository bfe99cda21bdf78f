import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { statement } from '../../../src/platform/statement.js'
import { rawExchange } from '../../support/http.js'
import { MEDIA_V1, MEDIA_V3, type MediaServer, type MediaUser, startMediaServer } from './support.js'

/** What the import of an older server's media will write. */
const THAW = statement<never, [mediaId: string]>(
  'test.media.thaw',
  'UPDATE mediaapi.media SET before_freeze = true WHERE media_id = $1',
)

let server: MediaServer
let alice: MediaUser

beforeAll(async () => {
  server = await startMediaServer()
  alice = await server.user('alice')
})
afterAll(() => server.close())

const SAFE = {
  'content-security-policy':
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
  'cross-origin-resource-policy': 'cross-origin',
  'x-content-type-options': 'nosniff',
  'access-control-allow-origin': '*',
}

/** Uploaded, and served without authentication too. */
async function thawed(content: Uint8Array, type: string, name?: string): Promise<string> {
  const uri = await alice.upload(content, type, name)
  await server.database.run(THAW, uri.split('/')[1] ?? '')
  return uri
}

describe('what a browser might run (SECURITY row 105)', () => {
  const attached = [
    'text/html',
    'TEXT/HTML; x=image/png',
    'Text/Html',
    'image/png,text/html',
    'image/svg+xml',
    'application/pdf',
    'application/javascript',
    'application/octet-stream',
    'nonsense',
    ' image/png/x',
  ]

  it.each(attached)('%s is offered as a file, in a sandbox, on every path', async (type) => {
    const uri = await thawed(Buffer.from('<script>alert(1)</script>'), type, 'x.html')
    for (const path of [`${MEDIA_V1}/download/${uri}`, `${MEDIA_V1}/download/${uri}/y.png`]) {
      const { status, headers } = await alice.get(path)
      expect(status).toBe(200)
      expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[xy]\.(html|png)"$/)
      expect(Object.fromEntries(headers)).toMatchObject(SAFE)
    }
    for (const path of [`${MEDIA_V3}/download/${uri}`, `/_matrix/media/r0/download/${uri}/y.png`]) {
      const { status, headers } = await server.request('GET', path)
      expect(status).toBe(200)
      expect(headers.get('content-disposition')).toMatch(/^attachment; /)
      expect(Object.fromEntries(headers)).toMatchObject(SAFE)
    }
  })

  it('is no picture because it is called one: a page named image/png is shown as a broken picture', async () => {
    const uri = await alice.upload(Buffer.from('<script>alert(1)</script>'), 'image/png')
    const { headers } = await alice.get(`${MEDIA_V1}/download/${uri}`)
    expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual(['image/png', 'inline'])
    expect(Object.fromEntries(headers)).toMatchObject(SAFE)
  })

  it.each(['image/jpeg', 'IMAGE/GIF', 'text/plain; charset=utf-8', 'video/mp4', 'audio/x-flac', 'application/ld+json'])(
    '%s is shown in place',
    async (type) => {
      const uri = await alice.upload(Buffer.from('x'), type)
      const { headers } = await alice.get(`${MEDIA_V1}/download/${uri}`)
      expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual([type, 'inline'])
    },
  )
})

describe('a file name', () => {
  it.each([
    ['ascii.txt', 'filename="ascii.txt"'],
    ['name with spaces', 'filename="name with spaces"'],
    ['name;with;semicolons', 'filename="name;with;semicolons"'],
    ['\u2615', "filename*=UTF-8''%E2%98%95"],
    ['a"b\\c', "filename*=UTF-8''a%22b%5Cc"],
    ["50%'(1)*", "filename*=UTF-8''50%25%27%281%29%2A"],
    ['line\r\nSet-Cookie: a=b\0', "filename*=UTF-8''line%0D%0ASet-Cookie%3A%20a%3Db%00"],
    ['../../etc/passwd', 'filename="../../etc/passwd"'],
  ])('%j comes back, from the upload or from the path', async (name, expected) => {
    const uri = await alice.upload(Buffer.from('x'), 'text/plain', name)
    const other = await alice.upload(Buffer.from('x'), 'text/plain', 'other')
    const [stored, asked] = await Promise.all([
      alice.get(`${MEDIA_V1}/download/${uri}`),
      alice.get(`${MEDIA_V1}/download/${other}/${encodeURIComponent(name)}`),
    ])
    expect(stored.headers.get('content-disposition')).toBe(`inline; ${expected}`)
    expect(asked.headers.get('content-disposition')).toBe(`inline; ${expected}`)
    expect(stored.headers.has('set-cookie')).toBe(false)
  })

  it('longer than any is refused', async () => {
    const { status, json } = await alice.request('POST', `${MEDIA_V3}/upload?filename=${'x'.repeat(2_000)}`, 'x')
    expect([status, json.errcode]).toEqual([400, 'M_INVALID_PARAM'])
  })
})

describe('paths that lead out of the store (SECURITY row 106)', () => {
  it.each([
    '..%2f..%2fetc/x',
    '%2e%2e/x',
    '../x',
    'test.example/..%2Fa',
    'test.example/%2e%2e',
    'test.example/a%00',
    'test.example/a.b',
    'test.example/%2Fetc%2Fpasswd',
    'test.example%00/x',
    `test.example/${'a'.repeat(256)}`,
  ])('%s finds nothing', async (path) => {
    for (const [base, token] of [
      [`${MEDIA_V1}/download/`, alice.token],
      [`${MEDIA_V3}/download/`, ''],
      [`${MEDIA_V1}/thumbnail/`, alice.token],
    ]) {
      const query = base?.includes('thumbnail') === true ? '?width=1&height=1' : ''
      const request = `GET ${base}${path}${query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`
      const answer = await rawExchange(server.port, request)
      expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
      expect(answer).toMatch(/"errcode":"M_(INVALID_PARAM|NOT_FOUND|UNRECOGNIZED)"/)
    }
  })
})

describe('media of other servers', () => {
  it('are not fetched', async () => {
    for (const path of ['download/other.example/abc', 'download/other.example/abc/name']) {
      const { status, json } = await alice.get(`${MEDIA_V1}/${path}`)
      expect([status, json.errcode]).toEqual([404, 'M_NOT_FOUND'])
      const legacy = await server.request('GET', `${MEDIA_V3}/${path}`)
      expect([legacy.status, legacy.json.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
    const { status, json } = await alice.get(`${MEDIA_V1}/thumbnail/other.example/abc?width=10&height=10`)
    expect([status, json.errcode]).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('the endpoints without authentication', () => {
  it('do not serve what has been uploaded since they were frozen', async () => {
    const uri = await alice.upload(Buffer.from('new'), 'text/plain')
    for (const path of [`download/${uri}`, `download/${uri}/name`, `thumbnail/${uri}?width=10&height=10`]) {
      const { status, json } = await server.request('GET', `${MEDIA_V3}/${path}`)
      expect([status, json.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
  })

  it('serve what was there before, to caches that are shared too', async () => {
    const uri = await thawed(Buffer.from('old'), 'text/plain')
    const { status, bytes, headers } = await server.request('GET', `${MEDIA_V3}/download/${uri}?allow_remote=false`)
    expect([status, bytes.toString()]).toEqual([200, 'old'])
    expect(headers.get('cache-control')).toBe('public, max-age=86400, immutable')
  })

  it('are the only ones: with authentication a token is needed', async () => {
    const uri = await alice.upload(Buffer.from('secret'), 'text/plain')
    for (const path of [`download/${uri}`, `download/${uri}/name`, `thumbnail/${uri}?width=10&height=10`, 'config']) {
      const { status, json } = await server.request('GET', `${MEDIA_V1}/${path}`)
      expect([status, json.errcode]).toEqual([401, 'M_MISSING_TOKEN'])
    }
    const guest = await server.user('guest', 'guest')
    expect((await guest.get(`${MEDIA_V1}/download/${uri}`)).bytes.toString()).toBe('secret')
  })
})

describe('a part of a file', () => {
  const content = randomBytes(200_000)
  let path: string

  beforeAll(async () => {
    path = `${MEDIA_V1}/download/${await alice.upload(content, 'video/mp4')}`
  })

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=100-199999', 100, 199_999],
    ['bytes=199999-', 199_999, 199_999],
    ['bytes=5-900000000', 5, 199_999],
    ['bytes=-1000', 199_000, 199_999],
    ['bytes=-900000000', 0, 199_999],
  ])('%s', async (range, start, end) => {
    const { status, headers, bytes } = await alice.get(path, { range })
    expect(status).toBe(206)
    expect(headers.get('content-range')).toBe(`bytes ${start}-${end}/200000`)
    expect(bytes.equals(content.subarray(start, end + 1))).toBe(true)
    expect(Object.fromEntries(headers)).toMatchObject(SAFE)
  })

  it.each(['bytes=200000-', 'bytes=-0'])('%s is not there', async (range) => {
    const { status, headers } = await alice.get(path, { range })
    expect([status, headers.get('content-range')]).toEqual([416, 'bytes */200000'])
  })

  it.each(['bytes=0-1,5-6', 'lines=1-2', 'bytes=9-1', 'bytes=', 'bytes=a-b'])('%s gives the whole', async (range) => {
    const { status, bytes } = await alice.get(path, { range })
    expect([status, bytes.length]).toEqual([200, content.length])
  })

  it('is asked for of the same version only', async () => {
    const etag = (await alice.get(path)).headers.get('etag') ?? ''
    expect((await alice.get(path, { range: 'bytes=0-9', 'if-range': etag })).status).toBe(206)
    expect((await alice.get(path, { range: 'bytes=0-9', 'if-range': '"other"' })).status).toBe(200)
  })

  it('is not sent again to whoever has it', async () => {
    const first = await alice.get(path)
    const etag = first.headers.get('etag') ?? ''
    expect(first.headers.get('cache-control')).toBe('private, max-age=86400, immutable')
    for (const given of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const { status, bytes, headers } = await alice.get(path, { 'if-none-match': given })
      expect([status, bytes.length, headers.get('etag')]).toEqual([304, 0, etag])
    }
    expect((await alice.get(path, { 'if-none-match': '"x"' })).status).toBe(200)
  })

  it('has headers without it for HEAD', async () => {
    const { status, bytes, headers } = await alice.request('HEAD', path)
    expect([status, bytes.length, headers.get('content-length')]).toEqual([200, 0, '200000'])
  })
})

it('a file that somebody has taken away is not found, and says so', async () => {
  const uri = await alice.upload(Buffer.from('gone soon'), 'text/plain')
  const file = (await server.files()).at(-1) ?? ''
  const path = `${MEDIA_V1}/download/${uri}`
  const hash = ((await alice.get(path)).headers.get('etag') ?? '').slice(1, -1)
  expect(file).not.toBe('')
  await rm(join(server.folder, hash.slice(0, 1), hash.slice(1, 2), hash.slice(2), 'file'))
  const { status, json } = await alice.get(path)
  expect([status, json.errcode]).toEqual([404, 'M_NOT_FOUND'])
})

describe('a big file', () => {
  const SIZE = 60_000_000

  it('goes up and down, is read as fast as it is taken, and a reader who takes nothing is cut', async () => {
    const big = await startMediaServer({ config: { max_file_size_bytes: 0 }, bounds: { writeTimeoutMs: 400 } })
    const bob = await big.user('bob')
    expect((await bob.get(`${MEDIA_V1}/config`)).json).toEqual({})
    const piece = randomBytes(1_000_000)
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += piece.length
        controller.enqueue(new Uint8Array(piece))
        if (sent >= SIZE) controller.close()
      },
    })
    let sent = 0
    const uploaded = await fetch(`${big.url}${MEDIA_V3}/upload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bob.token}` },
      body,
      duplex: 'half',
    } as RequestInit)
    const path = `${MEDIA_V1}/download/${((await uploaded.json()) as { content_uri: string }).content_uri.slice(6)}`
    expect(sent).toBe(SIZE)

    // Takes the first bytes and then nothing more: cut after the idle time, long before all of it has been sent.
    const socket = connect(big.port, '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bob.token}\r\n\r\n`),
    )
    const closed = new Promise<void>((resolve) => socket.on('error', () => undefined).on('close', () => resolve()))
    await once(socket, 'data')
    socket.pause()
    await expect.poll(() => big.connections(), { timeout: 5_000 }).toBe(0)
    socket.resume()
    await closed
    expect(socket.bytesRead).toBeLessThan(SIZE)

    const response = await fetch(big.url + path, { headers: { authorization: `Bearer ${bob.token}` } })
    let received = 0
    for await (const chunk of response.body ?? []) received += chunk.length
    expect(received).toBe(SIZE)
    await big.close()
  })
})
