import type { ByteCache } from '../../platform/cache.js'

/**
 * A cache that fills itself. Each key is loaded once however many ask at the same time, and what was read before an
 * invalidation is never kept: a logout that commits while a load is under way cannot leave the old answer behind.
 */
export class LoadingCache<K extends string, V> {
  readonly #cache: ByteCache<K, V>
  readonly #load: (keys: readonly K[]) => Promise<Map<K, V>>
  readonly #loading = new Map<K, Promise<Map<K, V>>>()

  constructor(cache: ByteCache<K, V>, load: (keys: readonly K[]) => Promise<Map<K, V>>) {
    this.#cache = cache
    this.#load = load
  }

  /** What is in memory now. */
  peek(key: K): V | undefined {
    return this.#cache.get(key)
  }

  async get(key: K): Promise<V | undefined> {
    const known = this.#cache.get(key)
    if (known !== undefined) return known
    return (await (this.#loading.get(key) ?? this.#fetch([key]))).get(key)
  }

  /** What is not in memory is loaded together. */
  async getMany(keys: readonly K[]): Promise<Map<K, V>> {
    const found = new Map<K, V>()
    const missing: K[] = []
    for (const key of new Set(keys)) {
      const known = this.#cache.get(key)
      if (known === undefined) missing.push(key)
      else found.set(key, known)
    }
    if (missing.length === 0) return found
    for (const [key, value] of await this.#fetch(missing)) found.set(key, value)
    return found
  }

  invalidate(keys: readonly K[]): void {
    for (const key of keys) {
      this.#loading.delete(key)
      this.#cache.delete(key)
    }
  }

  async #fetch(keys: readonly K[]): Promise<Map<K, V>> {
    const loading = this.#load(keys)
    for (const key of keys) this.#loading.set(key, loading)
    try {
      const loaded = await loading
      for (const [key, value] of loaded) if (this.#loading.get(key) === loading) this.#cache.set(key, value)
      return loaded
    } finally {
      for (const key of keys) if (this.#loading.get(key) === loading) this.#loading.delete(key)
    }
  }
}
