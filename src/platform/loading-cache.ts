import type { ByteCache } from './cache.js'

/**
 * A cache that fills itself, many keys with one call of the loader. What is changed by a commit while it is being loaded
 * is given to those who asked before, and not kept: whoever asks after the commit is answered by a load that began after it.
 */
export class LoadingCache<K, V> {
  readonly #cache: ByteCache<K, V>
  readonly #load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>
  readonly #loading = new Map<K, Promise<ReadonlyMap<K, V>>>()

  /** `load` leaves out what there is nothing to say about; that is asked again the next time. */
  constructor(cache: ByteCache<K, V>, load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>) {
    this.#cache = cache
    this.#load = load
  }

  /** The value when it is in memory; nothing is loaded. */
  peek(key: K): V | undefined {
    return this.#cache.get(key)
  }

  async get(key: K): Promise<V | undefined> {
    return this.#cache.get(key) ?? (await this.getMany([key])).get(key)
  }

  async getMany(keys: Iterable<K>): Promise<Map<K, V>> {
    const found = new Map<K, V>()
    const missing: K[] = []
    const awaited = new Map<K, Promise<ReadonlyMap<K, V>>>()
    for (const key of new Set(keys)) {
      const value = this.#cache.get(key)
      const loading = this.#loading.get(key)
      if (value !== undefined) found.set(key, value)
      else if (loading !== undefined) awaited.set(key, loading)
      else missing.push(key)
    }
    if (missing.length > 0) {
      const load = this.#start(missing)
      for (const key of missing) awaited.set(key, load)
    }
    for (const [key, load] of awaited) {
      const value = (await load).get(key)
      if (value !== undefined) found.set(key, value)
    }
    return found
  }

  /** The value as a commit has left it. */
  put(key: K, value: V): void {
    this.#loading.delete(key)
    this.#cache.set(key, value)
  }

  /** Changes the value if it is here; undefined drops it. */
  change(key: K, next: (value: V) => V | undefined): void {
    this.#loading.delete(key)
    const value = this.#cache.peek(key)
    if (value === undefined) return
    const changed = next(value)
    if (changed === undefined) this.#cache.delete(key)
    else if (changed !== value) this.#cache.set(key, changed)
  }

  drop(key: K): void {
    this.#loading.delete(key)
    this.#cache.delete(key)
  }

  invalidate(keys: Iterable<K>): void {
    for (const key of keys) this.drop(key)
  }

  #start(keys: readonly K[]): Promise<ReadonlyMap<K, V>> {
    const load: Promise<ReadonlyMap<K, V>> = this.#load(keys).then(
      (values) => {
        for (const key of keys) {
          const value = values.get(key)
          if (this.#settle(key, load) && value !== undefined) this.#cache.set(key, value)
        }
        return values
      },
      (error: unknown) => {
        for (const key of keys) this.#settle(key, load)
        throw error
      },
    )
    for (const key of keys) this.#loading.set(key, load)
    // Each key is awaited in turn, and the first failure ends that.
    load.catch(() => undefined)
    return load
  }

  /** Whether the load of this key is still the one that counts. */
  #settle(key: K, load: Promise<ReadonlyMap<K, V>>): boolean {
    return this.#loading.get(key) === load && this.#loading.delete(key)
  }
}
