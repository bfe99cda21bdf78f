import type { ByteCache } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { StreamClock } from '../../platform/stream-clock.js'

export interface Aged<V> {
  /** Everything up to here was in the database when the value was read. */
  readonly at: number
  readonly value: V
}

/**
 * Values that a stream of the change feed tells the changes of. One is good as long as nothing concerning its key has
 * been published since it was read, so that no invalidation can come too late for a load that is under way.
 */
export class FreshCache<K extends string, V> {
  readonly #cache: ByteCache<K, Aged<V>>
  readonly #feed: ChangeFeed
  readonly #clock: StreamClock
  readonly #stream: string

  constructor(cache: ByteCache<K, Aged<V>>, stream: string, feed: ChangeFeed, clock: StreamClock) {
    this.#cache = cache
    this.#stream = stream
    this.#feed = feed
    this.#clock = clock
  }

  /** What is not known is loaded together; keys that `load` leaves out are absent. */
  async getMany(keys: Iterable<K>, load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>): Promise<Map<K, V>> {
    const found = new Map<K, V>()
    const missing: K[] = []
    for (const key of new Set(keys)) {
      const known = this.#cache.get(key)
      if (known !== undefined && !this.#feed.mayHaveChanged(this.#stream, key, known.at)) found.set(key, known.value)
      else missing.push(key)
    }
    if (missing.length === 0) return found
    const at = this.#clock.visible
    for (const [key, value] of await load(missing)) {
      this.#cache.set(key, { at, value })
      found.set(key, value)
    }
    return found
  }
}
