import type { Database } from './database.js'
import { statement } from './statement.js'

const reserveBlock = statement<{ reserved_to: number }, [name: string, count: number, atLeast: number]>(
  'platform.number_blocks.reserve',
  // Never below what this process has given out: after a failover the table may have lost the last reservation.
  `INSERT INTO platform.number_blocks AS blocks (name, reserved_to) VALUES ($1, $3::bigint + $2)
   ON CONFLICT (name) DO UPDATE SET reserved_to = GREATEST(blocks.reserved_to, $3::bigint) + $2
   RETURNING reserved_to`,
)

const BLOCK = 2_000

interface Range {
  next: number
  last: number
}

/** Rising numbers out of reserved blocks: each is given out once, over all restarts and processes. */
export class NumberBlocks {
  readonly #database: Database
  readonly #name: string
  #current: Range = { next: 1, last: 0 }
  /** Reserved in the background, for when the current block is used up. */
  #reserve: Range | undefined
  #refilling: Promise<void> | undefined
  #highest = 0

  constructor(database: Database, name: string) {
    this.#database = database
    this.#name = name
  }

  /** Reserves the first block. Returns the number before it: all that was ever given out is up to that. */
  async start(): Promise<number> {
    await this.refill(1)
    this.#useReserve()
    return this.#current.next - 1
  }

  /** The first of `count` consecutive numbers, or undefined when `refill` must be awaited first. */
  tryTake(count: number): number | undefined {
    if (!this.#has(count)) {
      if (this.#reserve === undefined) return undefined
      this.#useReserve()
      if (!this.#has(count)) return undefined
    }
    const first = this.#current.next
    this.#current.next += count
    this.#highest = this.#current.next - 1
    // Ahead of need; when it fails, whoever runs out hears why.
    if (this.#reserve === undefined && !this.#has(BLOCK / 2)) this.refill(1).catch(() => undefined)
    return first
  }

  /** Reserves a block of at least `count`; one reservation at a time. */
  refill(count: number): Promise<void> {
    this.#refilling ??= this.#reserveBlock(Math.max(BLOCK, count)).finally(() => {
      this.#refilling = undefined
    })
    return this.#refilling
  }

  async #reserveBlock(size: number): Promise<void> {
    const atLeast = Math.max(this.#highest, this.#current.last)
    const [row] = await this.#database.run(reserveBlock, this.#name, size, atLeast)
    if (row === undefined) throw new Error(`no numbers could be reserved for ${this.#name}`)
    this.#reserve = { next: row.reserved_to - size + 1, last: row.reserved_to }
  }

  #has(count: number): boolean {
    return this.#current.last - this.#current.next + 1 >= count
  }

  /** Blocks that join are used as one; otherwise the rest of the old one is skipped. */
  #useReserve(): void {
    const reserve = this.#reserve
    if (reserve === undefined) return
    this.#reserve = undefined
    if (reserve.next === this.#current.last + 1 && this.#has(1)) this.#current.last = reserve.last
    else this.#current = reserve
  }
}

/** Ids that need no order, only to be new: `next(n)` gives the first of `n` consecutive ones. */
export interface IdAllocator {
  next(count: number): Promise<number>
}

/** Costs a statement for every 2,000 ids. Throws DatabaseUnavailable when a block is needed and none can be had. */
export function createIdAllocator(database: Database, name: string): IdAllocator {
  const blocks = new NumberBlocks(database, name)
  return {
    async next(count) {
      for (;;) {
        const first = blocks.tryTake(count)
        if (first !== undefined) return first
        await blocks.refill(count)
      }
    },
  }
}
