import { describe, expect, it } from 'vitest'
import { chooseThumbnail, DEFAULT_SIZES, type Image } from '../../../src/components/mediaapi/thumbnails/choose.js'

const still: Image = { contentType: 'image/jpeg', width: 3000, height: 2000, frames: 1, animated: false }
const moving: Image = { contentType: 'image/gif', width: 400, height: 300, frames: 10, animated: true }

function choose(image: Image, width: number, height: number, method: 'crop' | 'scale', animated = false, any = false) {
  const chosen = chooseThumbnail(image, { width, height, method, animated }, DEFAULT_SIZES, any)
  return chosen === 'original'
    ? chosen
    : `${chosen.width}x${chosen.height} ${chosen.method}${chosen.animated ? ' moving' : ''}`
}

describe('the sizes that are made in advance', () => {
  it('are never smaller than what is wanted', () => {
    expect(choose(still, 32, 32, 'crop')).toBe('32x32 crop')
    expect(choose(still, 33, 20, 'crop')).toBe('96x96 crop')
    expect(choose(still, 33, 20, 'scale')).toBe('320x240 scale')
    expect(choose(still, 641, 10, 'scale')).toBe('800x600 scale')
  })

  it('are scaled ones where no cropped one is large enough and the scaled one covers what is wanted', () => {
    expect(choose(still, 200, 200, 'crop')).toBe('320x240 scale')
    // 640x427 after scaling.
    expect(choose(still, 600, 430, 'crop')).toBe('800x600 scale')
    expect(choose({ ...still, width: 3000, height: 300 }, 200, 200, 'crop')).toBe('original')
  })

  it('end: beyond the largest there is the picture itself', () => {
    expect(choose(still, 801, 10, 'scale')).toBe('original')
    expect(choose(still, 1_000_000_000, 1_000_000_000, 'crop')).toBe('original')
  })
})

describe('a picture that is no larger than what is wanted', () => {
  it('is sent as it is', () => {
    expect(choose({ ...still, width: 32, height: 32 }, 32, 32, 'crop')).toBe('original')
    expect(choose({ ...still, width: 10, height: 10 }, 640, 480, 'scale', false, true)).toBe('original')
  })

  it('is made to stand still when it moves and that is not wanted', () => {
    expect(choose(moving, 640, 480, 'scale')).toBe('400x300 scale')
    expect(choose(moving, 640, 480, 'scale', true)).toBe('original')
  })

  it('becomes another type where its own may not be a thumbnail', () => {
    expect(choose({ ...still, contentType: 'image/avif', width: 20, height: 30 }, 96, 96, 'crop')).toBe('20x30 scale')
  })
})

it('moves only where it is wanted, it can, and there is not too much of it', () => {
  expect(choose(moving, 96, 96, 'crop')).toBe('96x96 crop')
  expect(choose(moving, 96, 96, 'crop', true)).toBe('96x96 crop moving')
  expect(choose(still, 96, 96, 'crop', true)).toBe('96x96 crop')
  expect(choose({ ...moving, frames: 10_000 }, 96, 96, 'crop', true)).toBe('96x96 crop')
})

it('has exactly the size that is wanted where any may be made', () => {
  expect(choose(still, 123, 45, 'crop', false, true)).toBe('123x45 crop')
  expect(choose(still, 1_234, 2_345, 'scale', false, true)).toBe('1234x2345 scale')
})
