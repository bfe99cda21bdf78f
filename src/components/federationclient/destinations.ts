import { randomInt } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Database } from '../../platform/database.js'
import { KeyedQueue } from '../../platform/keyed-queue.js'
import type { Log } from '../../platform/log.js'
import type { Clock } from '../../platform/time.js'
import type { ServerName } from '../../protocol/ids.js'
import { DELETE_DESTINATION, SELECT_DESTINATION, UPSERT_DESTINATION } from './store/destinations.js'

export interface DestinationsDeps {
  readonly database: Database
  readonly time: Clock
  readonly log: Log
  /** After so many failures in a row a server is left alone until it speaks to us. */
  readonly mostFailures: number
}

interface State {
  readonly failures: number
  /** Wall time. */
  readonly retryAt: number
}

const GOOD: State = { failures: 0, retryAt: 0 }
const REMEMBERED = 10_000
const FIRST_WAIT_MS = 2_000
const LONGEST_WAIT_MS = 7 * 86_400_000

/** Which servers do not answer, and when they may be asked again. It is in the database: a restart does not hammer the dead. */
export class Destinations {
  readonly #deps: DestinationsDeps
  readonly #states = new LRUCache<ServerName, State>({ max: REMEMBERED })
  readonly #queue = new KeyedQueue()
  readonly #listeners = new Set<(server: ServerName) => void>()

  constructor(deps: DestinationsDeps) {
    this.#deps = deps
  }

  onRecovered(listener: (server: ServerName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** 0: it may be asked now. */
  async retryAt(server: ServerName): Promise<number> {
    const { retryAt } = this.#states.get(server) ?? (await this.#queue.run(server, () => this.#load(server)))
    return retryAt > this.#deps.time.now() ? retryAt : 0
  }

  /** It was asked at `askedAt` and has not answered as a server should. Many that fail at the same time count as one. */
  failed(server: ServerName, askedAt: number, retryAfterMs = 0): Promise<void> {
    return this.#queue.run(server, async () => {
      const before = await this.#load(server)
      const now = this.#deps.time.now()
      if (before.retryAt > now || (before.failures > 0 && before.retryAt > askedAt)) return
      const failures = before.failures + 1
      const isLast = failures > this.#deps.mostFailures
      const wait = Math.min(Math.max(FIRST_WAIT_MS * 2 ** (failures - 1), retryAfterMs), LONGEST_WAIT_MS)
      // Spread, so that those that failed together do not come back together.
      const retryAt = isLast ? Number.POSITIVE_INFINITY : now + Math.round((wait * randomInt(80, 141)) / 100)
      await this.#store(server, { failures, retryAt })
    })
  }

  /** It has answered, or has spoken to us. Costs nothing for a server that was good. */
  recovered(server: ServerName): void {
    if (this.#states.peek(server)?.failures === 0) return
    void this.#queue
      .run(server, async () => {
        const before = await this.#load(server)
        if (before.failures === 0) return
        this.#states.set(server, GOOD)
        await this.#deps.database.run(DELETE_DESTINATION, server)
        for (const listener of [...this.#listeners]) listener(server)
      })
      .catch((error: unknown) => this.#deps.log.warn({ err: error, server }, 'a recovery could not be written down'))
  }

  async #load(server: ServerName): Promise<State> {
    const known = this.#states.get(server)
    if (known !== undefined) return known
    const [row] = await this.#deps.database.run(SELECT_DESTINATION, server)
    const state =
      row === undefined ? GOOD : { failures: row.failures, retryAt: row.retry_ts ?? Number.POSITIVE_INFINITY }
    this.#states.set(server, state)
    return state
  }

  async #store(server: ServerName, state: State): Promise<void> {
    this.#states.set(server, state)
    const retryTs = Number.isFinite(state.retryAt) ? state.retryAt : null
    await this.#deps.database.run(UPSERT_DESTINATION, server, state.failures, retryTs)
  }
}
