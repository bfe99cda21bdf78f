import { LRUCache } from 'lru-cache'

/** A named cache out of the shared budget. Values must not change while they are in it. */
export interface ByteCache<K, V> {
  /** Counts as a use: what is used stays. */
  get(key: K): V | undefined
  /** Does not count as a use. */
  peek(key: K): V | undefined
  has(key: K): boolean
  set(key: K, value: V): void
  delete(key: K): boolean
  clear(): void
  /** Entries. */
  readonly size: number
}

export type { ByteCache as Cache }

export interface CacheStats {
  readonly name: string
  readonly entries: number
  readonly bytes: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
}

/** One number of bytes for all caches: the least recently used entry of any of them goes first. */
export interface CacheBudget {
  /**
   * `sizeOf` estimates an entry's bytes in memory; the bookkeeping is added to it. An entry above an eighth of the
   * budget is not kept. Names are unique.
   */
  cache<K, V>(name: string, sizeOf: (value: V, key: K) => number): ByteCache<K, V>
  readonly limitBytes: number
  readonly usedBytes: number
  /** Evicts until at most this much is used, once: for a moment of memory pressure. The limit stays. */
  shrinkTo(bytes: number): void
  stats(): CacheStats[]
}

/** Map slots, the entry itself and the list's links, measured on Node 20. */
const ENTRY_OVERHEAD_BYTES = 200

interface Entry {
  readonly owner: NamedCache<unknown, unknown>
  readonly key: unknown
  readonly value: unknown
  readonly bytes: number
}

type Shared = LRUCache<Entry, Entry>

export function createCacheBudget(bytes: number): CacheBudget {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new RangeError(`a cache budget of ${bytes} bytes`)
  const caches = new Map<string, NamedCache<unknown, unknown>>()
  const shared: Shared = new LRUCache<Entry, Entry>({
    maxSize: bytes,
    maxEntrySize: Math.max(1, Math.floor(bytes / 8)),
    sizeCalculation: (entry) => entry.bytes,
    dispose: (entry, _key, reason) => entry.owner.forget(entry, reason === 'evict'),
  })
  return {
    limitBytes: bytes,
    get usedBytes() {
      return shared.calculatedSize
    },
    cache<K, V>(name: string, sizeOf: (value: V, key: K) => number): ByteCache<K, V> {
      if (caches.has(name)) throw new Error(`two caches are named ${name}`)
      const made = new NamedCache<K, V>(name, sizeOf, shared)
      caches.set(name, made as unknown as NamedCache<unknown, unknown>)
      return made
    },
    shrinkTo(target) {
      while (shared.calculatedSize > target && shared.pop() !== undefined);
    },
    stats: () => [...caches.values()].map((cache) => cache.stats()),
  }
}

class NamedCache<K, V> implements ByteCache<K, V> {
  readonly #name: string
  readonly #sizeOf: (value: V, key: K) => number
  readonly #shared: Shared
  readonly #entries = new Map<K, Entry>()
  #bytes = 0
  #hits = 0
  #misses = 0
  #evictions = 0

  constructor(name: string, sizeOf: (value: V, key: K) => number, shared: Shared) {
    this.#name = name
    this.#sizeOf = sizeOf
    this.#shared = shared
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#misses++
      return undefined
    }
    this.#hits++
    this.#shared.get(entry)
    return entry.value as V
  }

  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value as V | undefined
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  set(key: K, value: V): void {
    this.delete(key)
    const bytes = ENTRY_OVERHEAD_BYTES + Math.ceil(this.#sizeOf(value, key))
    const entry: Entry = { owner: this as unknown as NamedCache<unknown, unknown>, key, value, bytes }
    this.#entries.set(key, entry)
    this.#bytes += bytes
    this.#shared.set(entry, entry)
    // Refused as too big: the shared list does not dispose what it never took.
    if (!this.#shared.has(entry)) this.forget(entry, false)
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && this.#shared.delete(entry)
  }

  clear(): void {
    for (const entry of [...this.#entries.values()]) this.#shared.delete(entry)
  }

  /** The shared list has let go of an entry. */
  forget(entry: Entry, evicted: boolean): void {
    if (this.#entries.get(entry.key as K) !== entry) return
    this.#entries.delete(entry.key as K)
    this.#bytes -= entry.bytes
    if (evicted) this.#evictions++
  }

  stats(): CacheStats {
    return {
      name: this.#name,
      entries: this.#entries.size,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    }
  }
}
