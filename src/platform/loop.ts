import { randomInt } from 'node:crypto'
import type { Log } from './log.js'
import type { Clock } from './time.js'

export interface LoopOptions {
  /** Unique: `federationsender.catch-up`. */
  readonly name: string
  /** The component that answers for it. */
  readonly owner: string
  /** How long to rest after a run that went well; `wake` cuts it short. */
  readonly intervalMs: number
  /** One run. Stops early, normally, when `signal` fires. */
  readonly body: (signal: AbortSignal) => Promise<void>
  /** Also run at once when started; otherwise after the first interval. */
  readonly immediately?: boolean
}

export interface LoopHealth {
  readonly name: string
  readonly owner: string
  /** False while the last run has failed. */
  readonly healthy: boolean
  readonly runs: number
  readonly failuresInARow: number
  /** Text of the last failure, while it lasts. */
  readonly lastError?: string
}

/** Background work with a name. A run that throws is logged and repeated after a growing pause. */
export interface Loop {
  readonly health: LoopHealth
  /** Run now, or once more after the run that is under way. */
  wake(): void
  /** Ends when the body has returned. */
  stop(): Promise<void>
}

/** All loops of the process: what `/health` shows and shutdown stops. */
export interface Loops {
  start(options: LoopOptions): Loop
  health(): LoopHealth[]
  stop(): Promise<void>
}

const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 60_000

export function createLoops(clock: Clock, log: Log): Loops {
  const running = new Map<string, Loop>()
  return {
    start(options) {
      if (running.has(options.name)) throw new Error(`two loops are named ${options.name}`)
      const loop = new RunningLoop(options, clock, log, () => running.delete(options.name))
      running.set(options.name, loop)
      return loop
    },
    health: () => [...running.values()].map((loop) => loop.health),
    async stop() {
      await Promise.all([...running.values()].map((loop) => loop.stop()))
    },
  }
}

class RunningLoop implements Loop {
  readonly #options: LoopOptions
  readonly #clock: Clock
  readonly #log: Log
  readonly #abort = new AbortController()
  readonly #ended: Promise<void>
  #rest = new AbortController()
  #woken = false
  #runs = 0
  #failuresInARow = 0
  #lastError: string | undefined

  constructor(options: LoopOptions, clock: Clock, log: Log, onEnd: () => void) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#ended = this.#run().finally(onEnd)
  }

  get health(): LoopHealth {
    const { name, owner } = this.#options
    return {
      name,
      owner,
      healthy: this.#failuresInARow === 0,
      runs: this.#runs,
      failuresInARow: this.#failuresInARow,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    }
  }

  wake(): void {
    this.#woken = true
    this.#rest.abort()
  }

  stop(): Promise<void> {
    this.#abort.abort()
    this.#rest.abort()
    return this.#ended
  }

  async #run(): Promise<void> {
    if (this.#options.immediately !== true) await this.#sleep(this.#options.intervalMs)
    while (!this.#abort.signal.aborted) {
      this.#woken = false
      const pause = await this.#once()
      await this.#sleep(pause)
    }
  }

  /** Returns how long to rest. */
  async #once(): Promise<number> {
    try {
      await this.#options.body(this.#abort.signal)
      this.#runs++
      this.#failuresInARow = 0
      this.#lastError = undefined
      return this.#options.intervalMs
    } catch (error) {
      if (this.#abort.signal.aborted) return 0
      this.#failuresInARow++
      this.#lastError = error instanceof Error ? error.message : String(error)
      const ceiling = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failuresInARow - 1), LONGEST_BACKOFF_MS)
      const pause = randomInt(Math.ceil(ceiling / 2), ceiling + 1)
      const { name, owner } = this.#options
      this.#log.error({ err: error, loop: name, owner, retry_in_ms: pause }, 'background work failed')
      // A wake-up that came during a failing run must not make it a busy loop.
      this.#woken = false
      return pause
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#abort.signal.aborted) return
    this.#rest = new AbortController()
    await this.#clock.sleep(ms, this.#rest.signal)
  }
}
