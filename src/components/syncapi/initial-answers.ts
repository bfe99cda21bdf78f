import type { Cache, CacheBudget } from '../../platform/cache.js'
import type { Clock } from '../../platform/time.js'
import type { Gate } from './gate.js'

/** How long the answer is kept for a client that has given up waiting for it, and will come again. */
const KEEP_MS = 60_000

interface Computation {
  readonly answer: Promise<string | undefined>
  /** Requests that still wait for it. */
  waiting: number
  /** When the last of them went. */
  leftAt: number
}

/**
 * Initial syncs, few at a time. One whose client went away in the meantime is finished all the same and kept for a
 * while: who asks again, and again gives up after some seconds, would otherwise never get anywhere.
 */
export class InitialAnswers {
  readonly #gate: Gate
  readonly #time: Clock
  readonly #running = new Map<string, Computation>()
  readonly #kept: Cache<string, string>

  constructor(gate: Gate, caches: CacheBudget, time: Clock) {
    this.#gate = gate
    this.#time = time
    this.#kept = caches.cache<string, string>('syncapi.initial_answers', (text, key) => 2 * (text.length + key.length))
  }

  /** @param key says whose answer it is, and to what question */
  async get(key: string, signal: AbortSignal, compose: () => Promise<string>): Promise<string> {
    const kept = this.#kept.peek(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      return kept
    }
    const running = this.#running.get(key)
    // Whoever asks while another request is still being answered may have written something since.
    if (running !== undefined && running.waiting > 0) return this.#gate.run(compose)
    const computation = running ?? this.#begin(key, compose)
    computation.waiting++
    const leave = () => {
      computation.waiting--
      computation.leftAt = this.#time.monotonic()
    }
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    const text = await computation.answer.finally(() => signal.removeEventListener('abort', leave))
    return text ?? this.#gate.run(compose)
  }

  #begin(key: string, compose: () => Promise<string>): Computation {
    const computation: Computation = { answer: this.#gate.run(() => run()), waiting: 0, leftAt: 0 }
    const run = async (): Promise<string | undefined> => {
      try {
        const forgotten = computation.waiting === 0 && this.#time.monotonic() - computation.leftAt > KEEP_MS
        if (forgotten) return undefined
        const text = await compose()
        if (computation.waiting === 0) this.#keep(key, text)
        return text
      } finally {
        this.#running.delete(key)
      }
    }
    // With nobody waiting, nobody hears of a failure; who asks again is answered anew.
    computation.answer.catch(() => undefined)
    this.#running.set(key, computation)
    return computation
  }

  #keep(key: string, text: string): void {
    this.#kept.set(key, text)
    this.#time.after(KEEP_MS, () => {
      if (this.#kept.peek(key) === text) this.#kept.delete(key)
    })
  }
}
