/** Time, passed in so that tests can move it. `now` may jump (it is the wall's); whatever measures uses `monotonic`. */
export interface Clock {
  /** Milliseconds since 1970, for people and for `origin_server_ts`. */
  now(): number
  /** Milliseconds that never go back, from an arbitrary start: for deadlines, back-off, limits and leases. */
  monotonic(): number
  /** Runs `action` after `ms`. Returns the way to call it off. */
  after(ms: number, action: () => void): () => void
  /** Ends after `ms`, or at once when `signal` fires: never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Longer waits than this overflow Node's timers, which would then fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = () => {
      cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.after(ms, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS))
    return () => clearTimeout(timer)
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
}

interface Waiting {
  readonly at: number
  readonly action: () => void
}

/** A clock that stands still until it is told to move, for tests. */
export class FakeClock implements Clock {
  #now: number
  #monotonic = 0
  readonly #waiting = new Set<Waiting>()

  constructor(now = 1_700_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  after(ms: number, action: () => void): () => void {
    const waiting = { at: this.#monotonic + Math.max(ms, 0), action }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal)
  }

  /** Moves both times on, running what falls due in its order; promises it resolves run when the caller awaits. */
  advance(ms: number): void {
    const until = this.#monotonic + ms
    for (let next = this.#nextDue(until); next !== undefined; next = this.#nextDue(until)) {
      this.#waiting.delete(next)
      this.#move(next.at - this.#monotonic)
      next.action()
    }
    this.#move(until - this.#monotonic)
  }

  /** Moves the wall only, either way: somebody has set the machine's clock. */
  jump(ms: number): void {
    this.#now += ms
  }

  #move(ms: number): void {
    this.#monotonic += ms
    this.#now += ms
  }

  #nextDue(until: number): Waiting | undefined {
    let next: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (waiting.at <= until && (next === undefined || waiting.at < next.at)) next = waiting
    }
    return next
  }
}
