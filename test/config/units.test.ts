import { describe, expect, it } from 'vitest'
import { cacheBudget, readMemoryLimit } from '../../src/config/memory.js'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/units.js'
import { file, load } from './support.js'

describe('durations', () => {
  it.each([
    ['168h0m0s', 604_800_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['500ms', 500],
    ['300', 300_000],
    ['0', 0],
    ['-1s', -1_000],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  it.each(['', 'soon', '5 minutes', '1h 30m', '1d', 'h', '1h30'])('%j is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  )

  it('are written so that they are read as the same', () => {
    for (const ms of [0, 1, 999, 1_000, 90_000, 604_800_000, 3_661_001])
      expect(parseDuration(formatDuration(ms))).toBe(ms)
  })
})

describe('sizes', () => {
  it.each([
    ['1gb', 1024 ** 3],
    ['1.5 MB', 1_572_864],
    ['64kb', 65_536],
    ['1tb', 1024 ** 4],
    ['123', 123],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  it.each(['', 'lots', '1 xb', '-1gb', '9999999tb'])('%j is none', (text) => expect(parseSize(text)).toBeUndefined())

  it('are written so that they are read as the same', () => {
    for (const bytes of [0, 5, 1024, 1025, 3 * 1024 ** 3]) expect(parseSize(formatSize(bytes))).toBe(bytes)
  })
})

describe('the cache budget', () => {
  const configured = (size: string) => load(file(`  cache:\n    max_size_estimated: ${size}\n`)).config
  const MB = 1024 ** 2

  it('is 12 % of the memory limit, and at most 1 GB', () => {
    expect(cacheBudget(configured('""'), 256 * MB)).toEqual({ bytes: Math.floor(256 * MB * 0.12) })
    expect(cacheBudget(configured('""'), 64 * 1024 * MB)).toEqual({ bytes: 1024 * MB })
  })

  it('is what the file says where that fits, and capped with a warning where it does not', () => {
    expect(cacheBudget(configured('16mb'), 256 * MB)).toEqual({ bytes: 16 * MB })
    const { bytes, warning } = cacheBudget(configured('1gb'), 256 * MB)
    expect(bytes).toBe(Math.floor(256 * MB * 0.12))
    expect(warning).toContain('global.cache.max_size_estimated is 1gb')
  })

  it('has a memory limit to go by on this machine', () => {
    expect(readMemoryLimit()).toBeGreaterThan(64 * MB)
    expect(Number.isFinite(readMemoryLimit())).toBe(true)
  })
})
