import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MEDIA_V1, type MediaAnswer, type MediaServer, type MediaUser, startMediaServer } from './support.js'

let server: MediaServer
let alice: MediaUser

beforeAll(async () => {
  server = await startMediaServer()
  alice = await server.user('alice')
})
afterAll(() => server.close())

function photo(width: number, height: number, background = '#336699') {
  return sharp({ create: { width, height, channels: 3, background } })
}

async function movie(frames: number, width = 200, height = 100): Promise<Buffer> {
  const pictures = Array.from({ length: frames }, (_none, index) =>
    photo(width, height, `rgb(${index * 40},90,90)`)
      .png()
      .toBuffer(),
  )
  return sharp(await Promise.all(pictures), { join: { animated: true } })
    .gif()
    .toBuffer()
}

function thumbnail(uri: string, query: string, user = alice): Promise<MediaAnswer> {
  return user.get(`${MEDIA_V1}/thumbnail/${uri}?${query}`)
}

async function sizeOf({ status, json, bytes }: MediaAnswer): Promise<string> {
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`)
  const { width, height, format, pages = 1 } = await sharp(bytes).metadata()
  return `${width}x${height} ${format}${pages > 1 ? ` ${pages} frames` : ''}`
}

describe('a thumbnail', () => {
  it('is cropped or scaled to a size that is made in advance, not smaller than wanted', async () => {
    const uri = await alice.upload(await photo(1_000, 800).jpeg().toBuffer(), 'image/jpeg', 'photo.jpg')
    expect(await sizeOf(await thumbnail(uri, 'width=20&height=30&method=crop'))).toBe('32x32 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop'))).toBe('96x96 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=320&height=240&method=scale'))).toBe('300x240 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=320&height=240'))).toBe('300x240 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=900&height=700'))).toBe('1000x800 jpeg')
  })

  it('has the headers of all media, is shown in place, and is not sent twice', async () => {
    const uri = await alice.upload(await photo(500, 500).png().toBuffer(), 'text/html', 'evil.html')
    const { headers } = await thumbnail(uri, 'width=32&height=32&method=crop')
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-disposition': 'inline; filename="thumbnail.jpg"',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'cross-origin',
      'content-security-policy': expect.stringMatching(/^sandbox; /),
    })
    const etag = headers.get('etag') ?? ''
    const again = await alice.get(`${MEDIA_V1}/thumbnail/${uri}?width=32&height=32&method=crop`, {
      'if-none-match': etag,
    })
    expect(again.status).toBe(304)
    const large = await thumbnail(uri, 'width=5000&height=5000')
    expect([large.headers.get('content-type'), large.headers.get('content-disposition')]).toEqual([
      'image/png',
      'inline; filename="thumbnail.png"',
    ])
  })

  it.each([
    ['png', 'jpeg'],
    ['jpeg', 'jpeg'],
    // One colour of a GIF may be one that is seen through.
    ['gif', 'png'],
    ['webp', 'jpeg'],
    ['avif', 'jpeg'],
  ] as const)('is made of %s', async (format, made) => {
    const uri = await alice.upload(await photo(200, 150).toFormat(format).toBuffer(), 'application/octet-stream')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop'))).toBe(`96x96 ${made}`)
  })

  it('is never blown up, not in one direction either', async () => {
    const uri = await alice.upload(await photo(400, 20).png().toBuffer(), 'image/png')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop'))).toBe('96x20 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=800&height=600'))).toBe('400x20 png')
  })

  it('keeps what one can see through', async () => {
    const clear = sharp({
      create: { width: 200, height: 200, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0.5 } },
    })
    const uri = await alice.upload(await clear.png().toBuffer(), 'image/png')
    const made = await thumbnail(uri, 'width=32&height=32&method=crop')
    expect(await sizeOf(made)).toBe('32x32 png')
    expect((await sharp(made.bytes).metadata()).hasAlpha).toBe(true)
  })

  it('stands upright and carries no metadata', async () => {
    const exif = { IFD0: { Copyright: 'Alice, at 52.5 N 13.4 E' } }
    const lying = await photo(400, 200).withExif(exif).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    const original = await sharp(lying).metadata()
    expect([original.width, original.orientation]).toEqual([400, 6])
    const made = await thumbnail(await alice.upload(lying, 'image/jpeg'), 'width=320&height=240')
    expect(await sizeOf(made)).toBe('120x240 jpeg')
    const { orientation, exif: kept, icc, xmp } = await sharp(made.bytes).metadata()
    expect([orientation, kept, icc, xmp]).toEqual([undefined, undefined, undefined, undefined])
  })

  it('moves where that is wanted, and not elsewhere', async () => {
    const uri = await alice.upload(await movie(5), 'image/gif')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop&animated=true'))).toBe(
      '96x96 webp 5 frames',
    )
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop&animated=false'))).toBe('96x96 png')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop'))).toBe('96x96 png')
    // As large as the original: that moves.
    expect(await sizeOf(await thumbnail(uri, 'width=640&height=480&animated=true'))).toBe('200x100 gif 5 frames')
    expect(await sizeOf(await thumbnail(uri, 'width=640&height=480'))).toBe('200x100 png')
    const still = await alice.upload(await photo(200, 100).jpeg().toBuffer(), 'image/jpeg')
    expect(await sizeOf(await thumbnail(still, 'width=32&height=32&method=crop&animated=true'))).toBe('32x32 jpeg')
  })

  it('is kept beside its original and made once for many', async () => {
    const uri = await alice.upload(await photo(700, 700, '#123123').png().toBuffer(), 'image/png')
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => thumbnail(uri, 'width=96&height=96&method=crop')),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(1)
    const etag = answers[0]?.headers.get('etag') ?? ''
    const hash = etag.slice(1, 44)
    const folder = join(hash.slice(0, 1), hash.slice(1, 2), hash.slice(2))
    expect(await server.files()).toContain(join(folder, 'thumbnail-96x96-crop'))
    // All sizes are made in advance, without anybody asking.
    await expect
      .poll(async () =>
        (await server.files()).filter((file) => file.startsWith(folder)).map((file) => file.split('/')[3]),
      )
      .toEqual([
        'file',
        'thumbnail-320x240-scale',
        'thumbnail-32x32-crop',
        'thumbnail-640x480-scale',
        'thumbnail-800x600-scale',
        'thumbnail-96x96-crop',
      ])
    // And made again when somebody has cleared them away.
    await rm(join(server.folder, folder, 'thumbnail-96x96-crop'))
    expect((await thumbnail(uri, 'width=96&height=96&method=crop')).json.errcode).toBe('M_NOT_FOUND')
    expect(await sizeOf(await thumbnail(uri, 'width=96&height=96&method=crop'))).toBe('96x96 jpeg')
  })

  it.each([
    ['width=a&height=1', 400, 'M_INVALID_PARAM'],
    ['width=0&height=10', 400, 'M_INVALID_PARAM'],
    ['width=10&height=-3', 400, 'M_INVALID_PARAM'],
    ['width=1.5&height=1', 400, 'M_INVALID_PARAM'],
    ['height=10', 400, 'M_MISSING_PARAM'],
    ['width=10&height=10&method=stretch', 400, 'M_INVALID_PARAM'],
    ['width=10&height=10&animated=maybe', 400, 'M_INVALID_PARAM'],
  ])('of %s is refused', async (query, status, errcode) => {
    const uri = await alice.upload(await photo(64, 64).png().toBuffer(), 'image/png')
    const answer = await thumbnail(uri, query)
    expect([answer.status, answer.json.errcode]).toEqual([status, errcode])
  })
})

describe('no thumbnail is made', () => {
  const tiff = () => photo(100, 100).tiff().toBuffer()
  const svg = async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>')

  it.each([
    ['TIFF', tiff],
    ['SVG', svg],
    ['PDF', async () => Buffer.from('%PDF-1.7\n')],
    ['EPS', async () => Buffer.from('%!PS-Adobe-3.0 EPSF-3.0\n')],
    ['PSD', async () => Buffer.from('8BPS\0\x01\0\0\0\0\0\0')],
    ['BMP', async () => Buffer.from('BM\0\0\0\0\0\0')],
    ['what is encrypted', async () => randomBytes(5_000)],
    ['nothing', async () => Buffer.alloc(0)],
    ['a PNG without a picture', async () => (await photo(90, 90).png().toBuffer()).subarray(0, 30)],
    ['a JPEG that is noise', async () => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(5_000)])],
    ['SVG behind the mark of a GIF', async () => Buffer.concat([Buffer.from('GIF89a'), await svg()])],
    [
      'a WebP with an absurd length',
      async () => Buffer.from('RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff/', 'latin1'),
    ],
  ])('of %s, called image/png (SECURITY rows 108, 110)', async (_name, content) => {
    const uri = await alice.upload(await content(), 'image/png', 'picture.png')
    const { status, json } = await thumbnail(uri, 'width=32&height=32')
    expect([status, json.errcode]).toEqual([400, 'M_UNKNOWN'])
    expect((await alice.get(`${MEDIA_V1}/download/${uri}`)).status).toBe(200)
  })

  it('of a small file with a giant picture, without decoding it (SECURITY row 91)', async () => {
    const { status, json } = await thumbnail(
      await alice.upload(giantPng(50_000, 50_000), 'image/png'),
      'width=32&height=32',
    )
    expect([status, json.errcode]).toEqual([413, 'M_TOO_LARGE'])
  })

  it('that moves of a picture of ten thousand frames: it stands still (SECURITY row 91)', async () => {
    const uri = await alice.upload(longGif(await movie(2, 300, 300), 10_000), 'image/gif')
    const answer = await thumbnail(uri, 'width=96&height=96&method=crop&animated=true')
    expect(await sizeOf(answer)).toBe('96x96 png')
  })
})

it('a picture that breaks the decoder breaks nothing else (SECURITY row 110)', async () => {
  const jpeg = await photo(300, 300).jpeg().toBuffer()
  const webp = await photo(300, 300).webp({ lossless: true }).toBuffer()
  const avif = await photo(64, 64).avif().toBuffer()
  const broken = [jpeg, webp, avif].flatMap((good) =>
    Array.from({ length: 5 }, () => {
      const bad = Buffer.from(good)
      const garbage = randomBytes(40)
      for (const [index, byte] of garbage.entries()) bad[16 + ((byte * 257 + index * 7) % (bad.length - 16))] = byte
      return bad
    }),
  )
  for (const bytes of broken) {
    const { status, json } = await thumbnail(await alice.upload(bytes, 'image/jpeg'), 'width=32&height=32&method=crop')
    if (status !== 200) expect(json.errcode).toMatch(/^M_(UNKNOWN|TOO_LARGE)$/)
    expect([200, 400, 413]).toContain(status)
  }
  const fine = await alice.upload(await photo(200, 200, '#990000').jpeg().toBuffer(), 'image/jpeg')
  expect(await sizeOf(await thumbnail(fine, 'width=32&height=32&method=crop'))).toBe('32x32 jpeg')
})

describe('with dynamic thumbnails', () => {
  it('any size is made, but not any number of them', async () => {
    const dynamic = await startMediaServer({ config: { dynamic_thumbnails: true } })
    const bob = await dynamic.user('bob')
    const uri = await bob.upload(await photo(500, 400).png().toBuffer(), 'image/png')
    expect(await sizeOf(await thumbnail(uri, 'width=123&height=45&method=crop', bob))).toBe('123x45 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=333&height=222&method=scale', bob))).toBe('277x222 jpeg')
    for (let width = 100; width < 130; width++) await thumbnail(uri, `width=${width}&height=50&method=crop`, bob)
    const madeUp = (await dynamic.files()).filter((file) => /thumbnail-\d+x50-crop$/.test(file))
    expect(madeUp.length).toBeLessThanOrEqual(20)
    await dynamic.close()
  })

  it('only those of the configuration are made where it has any', async () => {
    const sized = await startMediaServer({ config: { thumbnail_sizes: [{ width: 50, height: 40, method: 'crop' }] } })
    const carol = await sized.user('carol')
    const uri = await carol.upload(await photo(500, 400).png().toBuffer(), 'image/png')
    expect(await sizeOf(await thumbnail(uri, 'width=32&height=32&method=crop', carol))).toBe('50x40 jpeg')
    expect(await sizeOf(await thumbnail(uri, 'width=32&height=32', carol))).toBe('500x400 png')
    await sized.close()
  })
})

/** A valid header and next to no pixels. */
function giantPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(Buffer.alloc(1_000))), pngChunk('IEND')]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks])
}

function pngChunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(data.length, 0)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return chunk
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** The second frame of a GIF, again and again. */
function longGif(gif: Buffer, frames: number): Buffer {
  const control = Buffer.from([0x21, 0xf9, 0x04])
  const first = gif.indexOf(control)
  const second = gif.indexOf(control, first + 3)
  const frame = gif.subarray(second, gif.length - 1)
  return Buffer.concat([gif.subarray(0, second), ...Array.from({ length: frames }, () => frame), Buffer.from([0x3b])])
}
