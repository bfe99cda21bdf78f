import { readFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import sharp from 'sharp'
import type { ThumbnailKind } from './choose.js'
import { type DecoderAnswer, type DecoderRequest, type Made, type Measured, OVER_MEMORY } from './protocol.js'

/**
 * The program of the process that decodes pictures: it reads the files it is told, answers over the channel to its parent,
 * and ends with it. A file that breaks the decoder breaks this process only.
 *
 * Argument: the bytes of memory of its own that it may use.
 */

/** Synapse refuses the same: a picture of 8,000 by 4,000 is decoded, one that takes 100 MB is not. */
const MOST_PIXELS = 32_000_000
const MOST_RESULT_BYTES = 16 * 1024 ** 2
const MEMORY_CHECK_MS = 10
/** Of what it may use: a process that holds so much while it does nothing makes room for a new one. */
const RETIREMENT = 0.7
const QUALITY = 80
const PAGE_BYTES = 4_096

/** Formats as the library names them. */
const FORMATS = new Set(['png', 'jpeg', 'gif', 'webp', 'heif', 'avif'])

class TooLarge extends Error {}

// One picture at a time, nothing kept between them, and no reader but those of the formats above.
sharp.cache(false)
sharp.concurrency(1)
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: [
    'VipsForeignLoadPngFile',
    'VipsForeignLoadJpegFile',
    'VipsForeignLoadNsgifFile',
    'VipsForeignLoadWebpFile',
    'VipsForeignLoadHeifFile',
  ],
})
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
const mostMemory = Number(process.argv[2])
setInterval(() => {
  if (ownBytes() > mostMemory) process.exit(OVER_MEMORY)
}, MEMORY_CHECK_MS)
process.on('disconnect', () => process.exit(0))
process.on('message', (request: DecoderRequest) => {
  void answer(request).then((reply) => {
    process.send?.(reply, () => {
      if (ownBytes() > mostMemory * RETIREMENT) process.exit(0)
    })
  })
})

async function answer(request: DecoderRequest): Promise<DecoderAnswer> {
  try {
    return request.ask === 'measure'
      ? { measured: await measure(request.file) }
      : { made: await make(request.file, request.kind) }
  } catch (error) {
    // What libvips says is for nobody: the file is as its uploader has made it.
    const isTooLarge = error instanceof TooLarge || (error instanceof Error && /pixel limit/.test(error.message))
    return { refused: isTooLarge ? 'too-large' : 'not-decodable' }
  }
}

/** Reads the headers only. */
async function measure(file: string): Promise<Measured> {
  const {
    format,
    compression,
    width,
    height,
    pages = 1,
    orientation = 1,
  } = await sharp(file, {
    limitInputPixels: false,
  }).metadata()
  if (!FORMATS.has(format) || (format === 'heif' && compression !== 'av1')) throw new Error('not a format we decode')
  if (width * height > MOST_PIXELS) throw new TooLarge()
  // EXIF: from 5 on the picture lies on its side.
  return orientation >= 5 ? { width: height, height: width, frames: pages } : { width, height, frames: pages }
}

/** Turned upright, in sRGB, without any metadata. */
async function make(file: string, kind: ThumbnailKind): Promise<Made> {
  const upright = await measure(file)
  const { animated } = kind
  const pixels = animated ? MOST_PIXELS * 2 : MOST_PIXELS
  const source = sharp(file, { animated, limitInputPixels: pixels, sequentialRead: true, failOn: 'error' })
  // Never larger than the picture in either direction, so that nothing is blown up.
  const size = { width: Math.min(kind.width, upright.width), height: Math.min(kind.height, upright.height) }
  const resized = source
    .autoOrient()
    .resize({ ...size, fit: kind.method === 'crop' ? 'cover' : 'inside', withoutEnlargement: true })
  const isOpaque = !(await sharp(file).metadata()).hasAlpha
  const [encoded, contentType] = animated
    ? ([resized.webp({ quality: QUALITY, effort: 2 }), 'image/webp'] as const)
    : isOpaque
      ? ([resized.jpeg({ quality: QUALITY }), 'image/jpeg'] as const)
      : ([resized.png({ compressionLevel: 6 }), 'image/png'] as const)
  const bytes = await encoded.toBuffer()
  if (bytes.length > MOST_RESULT_BYTES) throw new TooLarge()
  return { bytes, contentType }
}

/** Memory that this process does not share with others, in bytes; 0 where the system does not tell. */
function ownBytes(): number {
  try {
    const [, resident = 0, shared = 0] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number)
    return (resident - shared) * PAGE_BYTES
  } catch {
    return 0
  }
}
