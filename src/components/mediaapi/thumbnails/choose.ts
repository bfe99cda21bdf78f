import type { ThumbnailMethod, WantedThumbnail } from '../api.js'
import type { ImageType } from './sniff.js'

export interface Image {
  readonly contentType: ImageType
  /** Pixels, after the turn that the file asks for. */
  readonly width: number
  readonly height: number
  readonly frames: number
  /** It moves where it is shown as it is. */
  readonly animated: boolean
}

/** A frame to fill (crop) or to fit into (scale). */
export interface Frame {
  readonly width: number
  readonly height: number
  readonly method: ThumbnailMethod
}

/** What a thumbnail is kept as. */
export interface ThumbnailKind extends Frame {
  readonly animated: boolean
}

/** All frames of a moving thumbnail together; what has more stands still. */
const ANIMATED_PIXELS = 40_000_000
/** Sizes of the specification ("Thumbnails"), where none are configured. */
export const DEFAULT_SIZES: readonly Frame[] = [
  { width: 32, height: 32, method: 'crop' },
  { width: 96, height: 96, method: 'crop' },
  { width: 320, height: 240, method: 'scale' },
  { width: 640, height: 480, method: 'scale' },
  { width: 800, height: 600, method: 'scale' },
]
/** A thumbnail may have one of these types only (authed-content-repo.yaml, getContentThumbnailAuthed). */
const TYPES_OF_THUMBNAILS: ReadonlySet<ImageType> = new Set<ImageType>([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
])

/**
 * What answers a request: never smaller than wanted unless the picture is, never blown up. `original`: the file itself.
 * `sizes` are those that there may be; an exact one is made when `anySize`.
 */
export function chooseThumbnail(
  image: Image,
  wanted: WantedThumbnail,
  sizes: readonly Frame[],
  anySize: boolean,
): ThumbnailKind | 'original' {
  const animated = wanted.animated && canMove(image)
  const frame = isWithin(image, wanted) ? undefined : frameFor(image, wanted, sizes, anySize)
  if (frame !== undefined) return { width: frame.width, height: frame.height, method: frame.method, animated }
  // One that moves must not where that is not wanted, and not every type may be a thumbnail.
  const mayBeShown = TYPES_OF_THUMBNAILS.has(image.contentType) && (wanted.animated || !image.animated)
  return mayBeShown ? 'original' : { width: image.width, height: image.height, method: 'scale', animated }
}

/** The kinds that are made of a picture before anybody asks. */
export function kindsInAdvance(image: Image, sizes: readonly Frame[]): ThumbnailKind[] {
  return sizes
    .filter((size) => !isWithin(image, size))
    .map(({ width, height, method }) => ({ width, height, method, animated: false }))
}

function frameFor(image: Image, wanted: WantedThumbnail, sizes: readonly Frame[], anySize: boolean): Frame | undefined {
  if (anySize) return wanted
  const enough = sizes.filter((size) => size.width >= wanted.width && size.height >= wanted.height)
  const sameMethod = smallest(enough.filter((size) => size.method === wanted.method))
  if (sameMethod !== undefined) return sameMethod
  // Nothing of that method: the other will do where the result covers what is wanted. A cropped one has lost its edges.
  return wanted.method === 'crop' ? smallest(enough.filter((size) => covers(scaled(image, size), wanted))) : undefined
}

function smallest(sizes: readonly Frame[]): Frame | undefined {
  return sizes.reduce<Frame | undefined>(
    (best, size) => (best === undefined || size.width * size.height < best.width * best.height ? size : best),
    undefined,
  )
}

function scaled(image: Image, size: Frame): { width: number; height: number } {
  const factor = Math.min(size.width / image.width, size.height / image.height, 1)
  return { width: Math.round(image.width * factor), height: Math.round(image.height * factor) }
}

function covers(result: { width: number; height: number }, wanted: { width: number; height: number }): boolean {
  return result.width >= wanted.width && result.height >= wanted.height
}

function isWithin(image: Image, wanted: { width: number; height: number }): boolean {
  return image.width <= wanted.width && image.height <= wanted.height
}

function canMove(image: Image): boolean {
  return image.frames > 1 && image.frames * image.width * image.height <= ANIMATED_PIXELS
}
