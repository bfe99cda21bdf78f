import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { DecoderPool } from '../../../src/components/mediaapi/thumbnails/decoder-pool.js'
import { openLog } from '../../../src/platform/log.js'
import { FakeClock } from '../../../src/platform/time.js'

const log = openLog([{ type: 'std', level: 'fatal' }])
let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neurite-decoder-'))
  file = join(folder, 'file')
  const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
  await writeFile(file, await picture.png().toBuffer())
})
afterAll(() => rm(folder, { recursive: true }))

const MEASURED = { measured: { width: 40, height: 30, frames: 1 } }

it('its processes end when there is nothing to do, and others come when there is', async () => {
  const time = new FakeClock()
  const pool = new DecoderPool(1, time, log)
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all([1, 2, 3].map(() => pool.ask({ ask: 'measure', file })))
    expect(answers).toEqual([MEASURED, MEASURED, MEASURED])
    time.advance(15_000)
  }
  await pool.stop()
})

it('a picture that takes too long is given up, and the next one is not', async () => {
  const time = new FakeClock()
  const pool = new DecoderPool(1, time, log)
  const slow = pool.ask({ ask: 'measure', file })
  const next = pool.ask({ ask: 'measure', file })
  // Before the process has even begun.
  time.advance(30_000)
  expect(await slow).toEqual({ refused: 'not-decodable' })
  expect(await next).toEqual(MEASURED)
  await pool.stop()
})

it('whoever waits is told when it stops', async () => {
  const pool = new DecoderPool(1, new FakeClock(), log)
  const asked = Array.from({ length: 5 }, () => pool.ask({ ask: 'measure', file }))
  const told = Promise.allSettled(asked)
  await pool.stop()
  for (const { status } of await told) expect(status).toBe('rejected')
  await expect(pool.ask({ ask: 'measure', file })).rejects.toMatchObject({ status: 503 })
})
