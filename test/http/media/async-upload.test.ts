import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/platform/time.js'
import { MEDIA_V1, MEDIA_V3, type MediaServer, type MediaUser, slowUpload, startMediaServer } from './support.js'

const CREATE = '/_matrix/media/v1/create'

let server: MediaServer

beforeAll(async () => {
  server = await startMediaServer({ config: { max_file_size_bytes: 1_000 } })
})
afterAll(() => server.close())

async function created(user: MediaUser): Promise<string> {
  const { status, json } = await user.request('POST', CREATE)
  expect(status).toBe(200)
  return json.content_uri.replace('mxc://', '')
}

describe('a URI that is made before its content', () => {
  it('takes its content once, from whoever made it', async () => {
    const alice = await server.user('alice')
    const bob = await server.user('bob')
    const uri = await created(alice)
    const stranger = await bob.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'mine?')
    expect([stranger.status, stranger.json.errcode]).toEqual([403, 'M_FORBIDDEN'])
    const put = await alice.request('PUT', `${MEDIA_V3}/upload/${uri}?filename=a.txt`, 'mine', {
      'content-type': 'text/plain',
    })
    expect([put.status, put.json]).toEqual([200, {}])
    const again = await alice.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'other')
    expect([again.status, again.json.errcode]).toEqual([409, 'M_CANNOT_OVERWRITE_MEDIA'])
    const { bytes, headers } = await bob.get(`${MEDIA_V1}/download/${uri}`)
    expect(bytes.toString()).toBe('mine')
    expect(headers.get('content-disposition')).toBe('inline; filename="a.txt"')
  })

  it('is not overwritten by an upload that began before the content was there', async () => {
    const carol = await server.user('carol')
    const uri = await created(carol)
    const slow = slowUpload(server, carol, `${MEDIA_V3}/upload/${uri}`, 'PUT')
    const before = (await server.files()).length
    slow.sent.write('slow')
    await expect.poll(async () => (await server.files()).length).toBe(before + 1)
    expect((await carol.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'fast')).status).toBe(200)
    slow.sent.end()
    const { status, json } = await slow.answer
    expect([status, json.errcode]).toEqual([409, 'M_CANNOT_OVERWRITE_MEDIA'])
    expect((await carol.get(`${MEDIA_V1}/download/${uri}`)).bytes.toString()).toBe('fast')
    // The file of the one that came too late is gone.
    expect((await server.files()).length).toBe(before + 1)
  })

  it('stays open when its upload is refused', async () => {
    const dave = await server.user('dave')
    const uri = await created(dave)
    const large = await dave.request('PUT', `${MEDIA_V3}/upload/${uri}`, Buffer.alloc(1_001))
    expect([large.status, large.json.errcode]).toEqual([413, 'M_TOO_LARGE'])
    expect((await dave.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'small')).status).toBe(200)
  })

  it('is unknown when nobody has made it, or another server has', async () => {
    const erin = await server.user('erin')
    for (const uri of ['test.example/never', 'other.example/id']) {
      const { status, json } = await erin.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'x')
      expect([status, json.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
  })
})

describe('whoever wants content that has not come yet', () => {
  it('waits for it', async () => {
    const frank = await server.user('frank')
    const uri = await created(frank)
    const waiting = frank.get(`${MEDIA_V1}/download/${uri}`)
    const alsoWaiting = frank.get(`${MEDIA_V1}/download/${uri}?timeout_ms=10000`)
    // Still waiting when another, who does not want to, has been answered.
    await frank.get(`${MEDIA_V1}/download/${uri}?timeout_ms=50`)
    await frank.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'at last')
    expect((await waiting).bytes.toString()).toBe('at last')
    expect((await alsoWaiting).bytes.toString()).toBe('at last')
  })

  it('is told to come back when the time is up', async () => {
    const grace = await server.user('grace')
    const uri = await created(grace)
    for (const path of [
      `download/${uri}?timeout_ms=0`,
      `download/${uri}/name?timeout_ms=20`,
      `thumbnail/${uri}?width=10&height=10&timeout_ms=20`,
    ]) {
      const { status, json } = await grace.get(`${MEDIA_V1}/${path}`)
      expect([status, json.errcode]).toEqual([504, 'M_NOT_YET_UPLOADED'])
    }
    const legacy = await server.request('GET', `${MEDIA_V3}/download/${uri}?timeout_ms=20`)
    expect([legacy.status, legacy.json.errcode]).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('URIs without content', () => {
  it('are few for each user, until they are used', async () => {
    const heidi = await server.user('heidi')
    const uris = []
    for (let count = 0; count < 5; count++) uris.push(await created(heidi))
    const refused = await heidi.request('POST', CREATE)
    expect([refused.status, refused.json.errcode]).toEqual([429, 'M_LIMIT_EXCEEDED'])
    expect(refused.json.retry_after_ms).toBeGreaterThan(0)
    await heidi.request('PUT', `${MEDIA_V3}/upload/${uris[0]}`, 'used')
    await created(heidi)
  })

  it('are few also when they are asked for at the same time', async () => {
    const ivan = await server.user('ivan')
    const answers = await Promise.all(Array.from({ length: 12 }, () => ivan.request('POST', CREATE)))
    expect(answers.filter(({ status }) => status === 200).length).toBe(5)
  })

  it('end after a day', async () => {
    const time = new FakeClock()
    const other = await startMediaServer({ time })
    const judy = await other.user('judy')
    const { json } = await judy.request('POST', CREATE)
    expect(json.unused_expires_at).toBe(time.now() + 24 * 60 * 60 * 1000)
    const uri = json.content_uri.replace('mxc://', '')
    time.jump(24 * 60 * 60 * 1000)
    for (const answer of [
      await judy.request('PUT', `${MEDIA_V3}/upload/${uri}`, 'late'),
      await judy.get(`${MEDIA_V1}/download/${uri}`),
    ]) {
      expect([answer.status, answer.json.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
    for (let count = 0; count < 5; count++) await created(judy)
    await other.close()
  })
})
