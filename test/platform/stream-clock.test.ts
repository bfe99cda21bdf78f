import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Transaction } from '../../src/platform/database.js'
import { createIdAllocator } from '../../src/platform/number-blocks.js'
import { createStreamClock, type StreamClock } from '../../src/platform/stream-clock.js'
import { FakeClock } from '../../src/platform/time.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'

let test: TestDatabase
let time: FakeClock
let clock: StreamClock
beforeEach(async () => {
  test = await createTestDatabase()
  time = new FakeClock()
  clock = await createStreamClock(test.database, time)
})
afterEach(() => test.close())

/** A transaction that has taken positions and waits to be told how it ends. */
async function openTransaction(count = 1): Promise<{ first: number; end: (error?: Error) => Promise<void> }> {
  let end: (error?: Error) => void = () => undefined
  const told = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error))
  })
  let started: (first: number) => void = () => undefined
  const first = new Promise<number>((resolve) => {
    started = resolve
  })
  const ended = test.database
    .transaction(async (tx: Transaction) => {
      started(await clock.take(tx, count))
      await told
    })
    .catch(() => undefined)
  return {
    first: await first,
    end: async (error) => {
      end(error)
      await ended
    },
  }
}

describe('the stream clock', () => {
  it('shows a position only when all lower ones are settled', async () => {
    const start = clock.visible
    const [slow, fast] = [await openTransaction(2), await openTransaction()]
    expect([slow.first, fast.first]).toEqual([start + 1, start + 3])
    await fast.end()
    expect(clock.visible).toBe(start)
    await slow.end()
    expect(clock.visible).toBe(start + 3)
  })

  it('a transaction that gives up does not hold back the others', async () => {
    const start = clock.visible
    const [failing, fine] = [await openTransaction(), await openTransaction()]
    await fine.end()
    await failing.end(new Error('no'))
    expect(clock.visible).toBe(start + 2)
  })

  it('positions that are held become visible when the hold ends, and after 5 s at the latest', async () => {
    const start = clock.visible
    let release: () => void = () => undefined
    const counted = new Promise<void>((resolve) => {
      release = resolve
    })
    const held = await openTransaction()
    clock.hold(held.first, counted)
    await held.end()
    const later = await openTransaction()
    clock.hold(later.first, new Promise(() => undefined))
    await later.end()
    expect(clock.visible).toBe(start)
    release()
    await counted
    await Promise.resolve()
    expect(clock.visible).toBe(start + 1)
    time.advance(5_000)
    expect(clock.visible).toBe(start + 2)
  })

  it('a hold that is asked for after commit comes before the position is visible', async () => {
    const start = clock.visible
    await test.database.transaction(async (tx) => {
      const first = await clock.take(tx, 1)
      tx.afterCommit(() => clock.hold(first, new Promise(() => undefined)))
    })
    expect(clock.visible).toBe(start)
  })

  it('listeners hear of each advance in order, and a reader can wait for its own writes', async () => {
    const heard: number[] = []
    const stop = clock.onAdvance((visible) => heard.push(visible))
    const start = clock.visible
    const open = await openTransaction()
    await clock.takeVolatile(1)
    const caughtUp = clock.caughtUp(1_000).then(() => heard.slice())
    await open.end()
    expect(await caughtUp).toEqual([start + 2])
    await clock.takeVolatile(3)
    stop()
    await clock.takeVolatile(1)
    expect(heard).toEqual([start + 2, start + 5])
  })

  it('waiting to be caught up ends after the time given', async () => {
    const open = await openTransaction()
    const waited = clock.caughtUp(100)
    time.advance(100)
    await waited
    await open.end()
  })

  it('after a restart positions continue behind all that were reserved', async () => {
    const taken = await clock.takeVolatile(10)
    const again = await createStreamClock(test.database)
    expect(again.visible).toBeGreaterThan(taken + 9)
    expect(await again.takeVolatile(1)).toBe(again.visible)
  })

  it('two processes never take the same position, and none is given twice across many blocks', async () => {
    const other = await createStreamClock(test.database)
    const seen = new Set<number>()
    const take = async (from: StreamClock, count: number) => {
      const first = await from.takeVolatile(count)
      for (let position = first; position < first + count; position++) {
        expect(seen.has(position)).toBe(false)
        seen.add(position)
      }
    }
    const work: Promise<void>[] = []
    for (let round = 0; round < 60; round++) work.push(take(clock, 170), take(other, 90), take(clock, 1))
    work.push(take(clock, 5_000))
    await Promise.all(work)
    expect(seen.size).toBe(60 * 261 + 5_000)
  })

  it('taking positions costs a statement for 2,000 of them at most', async () => {
    const before = test.database.statementsSent
    for (let taken = 0; taken < 10_000; taken++) await clock.takeVolatile(1)
    expect(test.database.statementsSent - before).toBeLessThanOrEqual(5)
  })
})

describe('id blocks', () => {
  it('are consecutive, and never repeated by another allocator of that name', async () => {
    const [one, two] = [createIdAllocator(test.database, 'ids'), createIdAllocator(test.database, 'ids')]
    const first = await one.next(3)
    expect(await one.next(1)).toBe(first + 3)
    expect(Math.abs((await two.next(1)) - first)).toBeGreaterThanOrEqual(2_000)
  })
})
