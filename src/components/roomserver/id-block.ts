/** Where ids come from in blocks: `next(n)` answers the first of n consecutive ones. */
export interface IdSource {
  next(count: number): Promise<number>
}

/** Ids that can be had without waiting, as long as `ready` has said so: a block is reserved ahead. */
export class IdBlock {
  readonly #source: IdSource
  readonly #blockSize: number
  #next = 0
  #end = 0
  #refill: Promise<void> | undefined

  constructor(source: IdSource, blockSize: number) {
    this.#source = source
    this.#blockSize = blockSize
  }

  /** Undefined: `count` ids are there. Otherwise to be awaited and asked again: somebody else may have been faster. */
  ready(count: number): Promise<void> | undefined {
    if (this.#end - this.#next >= count) return undefined
    this.#refill ??= this.#reserve(Math.max(count, this.#blockSize))
    return this.#refill
  }

  take(): number {
    if (this.#next >= this.#end) throw new Error('an id was taken that was not reserved')
    return this.#next++
  }

  /** The rest of the block before is given up, unless the new one continues it. */
  async #reserve(count: number): Promise<void> {
    try {
      const first = await this.#source.next(count)
      if (first !== this.#end) this.#next = first
      this.#end = first + count
    } finally {
      this.#refill = undefined
    }
  }
}
