import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rawExchange } from '../../support/http.js'
import { MEDIA_V1, MEDIA_V3, type MediaServer, type MediaUser, slowUpload, startMediaServer } from './support.js'

let server: MediaServer
let alice: MediaUser

beforeAll(async () => {
  server = await startMediaServer({ config: { max_file_size_bytes: 100_000 } })
  alice = await server.user('alice')
})
afterAll(() => server.close())

describe('an upload', () => {
  it('is stored under the hash of its content, in the layout of Dendrite', async () => {
    const content = randomBytes(50_000)
    const uri = await alice.upload(content, 'application/x-thing', 'thing.bin')
    expect(uri).toMatch(/^test\.example\/[A-Za-z0-9_-]{24}$/)
    const hash = createHash('sha256').update(content).digest('base64url')
    const path = join(hash.slice(0, 1), hash.slice(1, 2), hash.slice(2), 'file')
    expect(await server.files()).toContain(path)
    expect(await readFile(join(server.folder, path))).toEqual(content)
    const { status, bytes, headers } = await alice.get(`${MEDIA_V1}/download/${uri}`)
    expect(status).toBe(200)
    expect(bytes).toEqual(content)
    expect(headers.get('content-type')).toBe('application/x-thing')
    expect(headers.get('content-disposition')).toBe('attachment; filename="thing.bin"')
  })

  it('of the same content twice is one file with two URIs, each with its own type and name', async () => {
    const content = randomBytes(1_000)
    const before = (await server.files()).length
    const uris = await Promise.all([
      alice.upload(content, 'image/png', 'one.png'),
      alice.upload(content, 'text/plain', 'two.txt'),
    ])
    expect(new Set(uris).size).toBe(2)
    expect((await server.files()).length).toBe(before + 1)
    const types = await Promise.all(uris.map((uri) => alice.get(`${MEDIA_V1}/download/${uri}`)))
    expect(types.map(({ headers }) => headers.get('content-type'))).toEqual(['image/png', 'text/plain'])
    expect(types.every(({ bytes }) => bytes.equals(content))).toBe(true)
  })

  it('may be empty', async () => {
    const uri = await alice.upload(new Uint8Array(0))
    const { status, bytes, headers } = await alice.get(`${MEDIA_V1}/download/${uri}`)
    expect([status, bytes.length, headers.get('content-length')]).toEqual([200, 0, '0'])
    expect(headers.get('content-type')).toBe('application/octet-stream')
    expect((await alice.get(`${MEDIA_V1}/download/${uri}`, { range: 'bytes=0-' })).status).toBe(416)
  })

  it('is served under the versions of old clients', async () => {
    for (const version of ['r0', 'v1']) {
      const { status, json } = await alice.request('POST', `/_matrix/media/${version}/upload`, 'text')
      expect([status, Object.keys(json)]).toEqual([200, ['content_uri']])
    }
  })

  it('needs a token, of an account that is not a guest', async () => {
    const nobody = await server.request('POST', `${MEDIA_V3}/upload`, { body: 'text' })
    expect([nobody.status, nobody.json.errcode]).toEqual([401, 'M_MISSING_TOKEN'])
    const guest = await server.user('guest', 'guest')
    const refused = await guest.request('POST', `${MEDIA_V3}/upload`, 'text')
    expect([refused.status, refused.json.errcode]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
  })
})

describe('an upload that is too large', () => {
  it('is refused by its announced length, before its content, whatever its type is called', async () => {
    for (const type of ['Multipart/Form-Data; boundary=x', 'application/x-www-form-urlencoded', 'IMAGE/PNG']) {
      const head = `POST ${MEDIA_V3}/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.token}\r\n`
      const answer = await rawExchange(
        server.port,
        `${head}Content-Type: ${type}\r\nContent-Length: 10000000000\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 413 /)
      expect(answer).toContain('"errcode":"M_TOO_LARGE"')
    }
  })

  it('is refused where its length is not announced, and its sender is told', async () => {
    const before = await server.files()
    const { sent, answer } = slowUpload(server, alice)
    for (let sentBytes = 0; sentBytes <= 200_000; sentBytes += 50_000) sent.write(randomBytes(50_000))
    sent.end()
    const { status, json } = await answer
    expect([status, json.errcode]).toEqual([413, 'M_TOO_LARGE'])
    expect(await server.files()).toEqual(before)
  })

  it('gets its answer also when it is sent to the end before anybody looks for one', async () => {
    const { status, json } = await alice.request('POST', `${MEDIA_V3}/upload`, randomBytes(5_000_000))
    expect([status, json.errcode]).toEqual([413, 'M_TOO_LARGE'])
  })

  it('may be exactly as large as allowed, as the configuration says', async () => {
    await alice.upload(randomBytes(100_000))
    for (const path of [`${MEDIA_V1}/config`, `${MEDIA_V3}/config`]) {
      expect((await alice.get(path)).json).toEqual({ 'm.upload.size': 100_000 })
      expect((await server.request('GET', path)).json.errcode).toBe('M_MISSING_TOKEN')
    }
  })
})

describe('an upload that ends early', () => {
  it('leaves nothing behind', async () => {
    const before = await server.files()
    const { sent, answer } = slowUpload(server, alice)
    sent.write(randomBytes(20_000))
    await expect.poll(async () => (await server.files()).length).toBe(before.length + 1)
    sent.destroy()
    await expect(answer).rejects.toThrow()
    await expect.poll(() => server.files()).toEqual(before)
  })

  it('counts among the few that one user may have at the same time until it ends', async () => {
    const bob = await server.user('bob')
    const uploads = Array.from({ length: 10 }, () => slowUpload(server, bob))
    const before = (await server.files()).length
    for (const { sent } of uploads) sent.write('x')
    await expect.poll(async () => (await server.files()).length).toBe(before + 10)
    const refused = await bob.request('POST', `${MEDIA_V3}/upload`, 'one too many')
    expect([refused.status, refused.json.errcode]).toEqual([429, 'M_LIMIT_EXCEEDED'])
    for (const { sent } of uploads) sent.end()
    await Promise.all(uploads.map(({ answer }) => answer))
    await bob.upload(Buffer.from('one more'))
  })
})

it('a client that sends next to nothing is cut, one that is slow is not', async () => {
  const strict = await startMediaServer({ bounds: { stallTimeoutMs: 150 } })
  const carol = await strict.user('carol')
  const stalled = slowUpload(strict, carol)
  stalled.sent.write('a little')
  await expect(stalled.answer).rejects.toThrow()
  await expect.poll(() => strict.files()).toEqual([])
  const slow = slowUpload(strict, carol)
  for (let piece = 0; piece < 6; piece++) {
    slow.sent.write(randomBytes(60_000))
    await once(AbortSignal.timeout(60), 'abort')
  }
  slow.sent.end()
  expect((await slow.answer).status).toBe(200)
  await strict.close()
})
