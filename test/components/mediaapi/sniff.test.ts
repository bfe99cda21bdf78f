import sharp from 'sharp'
import { expect, it } from 'vitest'
import { sniffImage } from '../../../src/components/mediaapi/thumbnails/sniff.js'

const picture = () => sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })

it('knows the five types by their first bytes', async () => {
  const types = await Promise.all([
    picture().png().toBuffer(),
    picture().jpeg().toBuffer(),
    picture().gif().toBuffer(),
    picture().webp().toBuffer(),
    picture().avif().toBuffer(),
  ])
  expect(types.map((bytes) => sniffImage(bytes)?.contentType)).toEqual([
    'image/png',
    'image/jpeg',
    'image/gif',
    'image/webp',
    'image/avif',
  ])
  expect(types.map((bytes) => sniffImage(bytes)?.animated)).toEqual([false, false, true, false, false])
})

it('tells an animated PNG by its chunk, wherever that is before the picture', async () => {
  const png = await picture().png().toBuffer()
  const chunk = (type: string, size: number): Buffer => {
    const bytes = Buffer.alloc(12 + size)
    bytes.writeUInt32BE(size)
    bytes.write(type, 4, 'latin1')
    return bytes
  }
  const idat = png.indexOf('IDAT') - 4
  const animated = Buffer.concat([png.subarray(0, idat), chunk('iCCP', 3_000), chunk('acTL', 8), png.subarray(idat)])
  expect(sniffImage(animated)).toEqual({ contentType: 'image/png', animated: true })
})

it.each([
  ['TIFF', 'II*\0'],
  ['PSD', '8BPS'],
  ['BMP', 'BM'],
  ['EPS', '%!PS-Adobe-3.0 EPSF-3.0'],
  ['PDF', '%PDF-1.7'],
  ['SVG', '<svg xmlns="http://www.w3.org/2000/svg">'],
  ['MVG', 'push graphic-context'],
  ['JPEG XL', '\xff\x0a'],
  ['HEIC', '\0\0\0\x18ftypheic'],
  ['a truncated PNG signature', '\x89PN'],
  ['a RIFF that is no WebP', 'RIFF\0\0\0\0WAVEfmt '],
  ['nothing', ''],
])('%s is no picture', (_name, head) => {
  expect(sniffImage(Buffer.from(head, 'latin1'))).toBeUndefined()
})

it('a PNG with a nonsense chunk length ends the search', () => {
  const head = Buffer.from('\x89PNG\r\n\x1a\n\xff\xff\xff\xffXXXX', 'latin1')
  expect(sniffImage(head)).toEqual({ contentType: 'image/png', animated: false })
})
