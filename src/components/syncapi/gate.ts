import { setImmediate as nextTurn } from 'node:timers/promises'

/** Lets a few in at a time, in the order they came, and the event loop run in between: work is bounded, and so is memory. */
export class Gate {
  readonly #width: number
  readonly #queue: (() => void)[] = []
  #inside = 0

  constructor(width: number) {
    this.#width = width
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  #enter(): Promise<unknown> {
    if (this.#inside < this.#width) {
      this.#inside++
      return Promise.resolve()
    }
    // Who leaves hands the place over, so that nobody who comes in between takes it.
    return new Promise<void>((resolve) => this.#queue.push(resolve)).then(() => nextTurn())
  }

  #leave(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#inside--
    else next()
  }
}
