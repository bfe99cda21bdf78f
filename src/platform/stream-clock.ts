import type { Database, Transaction } from './database.js'
import { NumberBlocks } from './number-blocks.js'
import { type Clock, systemClock } from './time.js'

/**
 * The one clock: every change that `/sync` can show takes its position here, so a token is one number. A position is
 * visible when it and every lower one are settled (committed or given up): commits out of order never hide a row.
 */
export interface StreamClock {
  /** The highest position such that it and all lower ones are settled. What a `/sync` may read up to. */
  readonly visible: number
  /**
   * Takes `count` consecutive positions right before the transaction's last statement and returns the first. They settle
   * when the outcome of the transaction is final and `beforeVisible` (of `hold`) has ended.
   */
  take(tx: Transaction, count: number): Promise<number>
  /** Keeps the positions from `first` on from becoming visible until `until` ends (fulfilled or not), at most 5 s. */
  hold(first: number, until: Promise<unknown>): void
  /** Positions of a change that lives in memory only (typing, presence): settled at once. Returns the first. */
  takeVolatile(count: number): Promise<number>
  /** Ends when everything taken up to now is visible: a reader that calls it first reads its own writes. At most `ms`. */
  caughtUp(ms: number): Promise<void>
  /** Called whenever `visible` has advanced, in order. Returns the way to stop. */
  onAdvance(listener: (visible: number) => void): () => void
}

/** What nobody has ended by then becomes visible all the same: `/sync` must not stand still. */
const LONGEST_HOLD_MS = 5_000

/**
 * Positions come from blocks that are reserved in the database, so that taking one costs no statement; after a restart
 * they continue behind everything that was reserved.
 */
export async function createStreamClock(database: Database, time: Clock = systemClock): Promise<StreamClock> {
  const blocks = new NumberBlocks(database, 'stream')
  return new BlockClock(blocks, await blocks.start(), time)
}

/** Positions that somebody may still give up or write. */
interface Taken {
  readonly first: number
  settled: boolean
}

class BlockClock implements StreamClock {
  readonly #blocks: NumberBlocks
  readonly #time: Clock
  readonly #listeners = new Set<(visible: number) => void>()
  /** In the order of their positions; settled ones go when they are at the head. */
  readonly #taken: Taken[] = []
  readonly #holds = new Set<{ readonly first: number }>()
  readonly #waiting = new Set<{ readonly until: number; readonly resolve: () => void }>()
  #highest: number
  #visible: number

  constructor(blocks: NumberBlocks, start: number, time: Clock) {
    this.#blocks = blocks
    this.#highest = start
    this.#visible = start
    this.#time = time
  }

  get visible(): number {
    return this.#visible
  }

  async take(tx: Transaction, count: number): Promise<number> {
    const taken = await this.#take(count, false)
    tx.afterOutcome(() => {
      taken.settled = true
      this.#advance()
    })
    return taken.first
  }

  hold(first: number, until: Promise<unknown>): void {
    if (first <= this.#visible) return
    const hold = { first }
    this.#holds.add(hold)
    const end = () => {
      tooLong()
      if (this.#holds.delete(hold)) this.#advance()
    }
    const tooLong = this.#time.after(LONGEST_HOLD_MS, end)
    until.then(end, end)
  }

  async takeVolatile(count: number): Promise<number> {
    const taken = await this.#take(count, true)
    this.#advance()
    return taken.first
  }

  caughtUp(ms: number): Promise<void> {
    const until = this.#highest
    if (this.#visible >= until) return Promise.resolve()
    return new Promise((resolve) => {
      const finish = () => {
        timeUp()
        this.#waiting.delete(waiting)
        resolve()
      }
      const waiting = { until, resolve: finish }
      const timeUp = this.#time.after(ms, finish)
      this.#waiting.add(waiting)
    })
  }

  onAdvance(listener: (visible: number) => void): () => void {
    const own = (visible: number) => listener(visible)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  async #take(count: number, settled: boolean): Promise<Taken> {
    for (;;) {
      const first = this.#blocks.tryTake(count)
      if (first === undefined) {
        await this.#blocks.refill(count)
        continue
      }
      // Nothing may be awaited between the number and its entry, or another's outcome could make it visible.
      const taken = { first, settled }
      this.#taken.push(taken)
      this.#highest = first + count - 1
      return taken
    }
  }

  #advance(): void {
    let unsettled = 0
    while (this.#taken[unsettled]?.settled === true) unsettled++
    if (unsettled > 0) this.#taken.splice(0, unsettled)
    let visible = this.#taken[0] === undefined ? this.#highest : this.#taken[0].first - 1
    for (const { first } of this.#holds) visible = Math.min(visible, first - 1)
    if (visible <= this.#visible) return
    this.#visible = visible
    for (const listener of [...this.#listeners]) listener(visible)
    for (const waiting of [...this.#waiting]) if (waiting.until <= visible) waiting.resolve()
  }
}
