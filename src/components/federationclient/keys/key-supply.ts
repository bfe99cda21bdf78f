import { LRUCache } from 'lru-cache'
import type { Clock } from '../../../platform/time.js'
import type { ServerName } from '../../../protocol/ids.js'
import type { KeyFetcher, WantedKeys } from './key-fetcher.js'
import type { ServerKey } from './key-response.js'
import type { KeyStore } from './key-store.js'
import { createSlots } from './slots.js'

export interface KeySupplyDeps {
  readonly store: KeyStore
  readonly fetcher: KeyFetcher
  readonly time: Clock
  /** `federation_api.prefer_direct_fetch`. */
  readonly preferDirect: boolean
}

export interface FetchOptions {
  /** Servers that have just spoken to us are asked even while they are left alone. */
  readonly evenIfFailing?: boolean
  /** Of the servers themselves only: what we are to vouch for we have not from somebody else. */
  readonly directOnly?: boolean
}

/** Nobody can make us ask a server more often than that by naming keys it does not have. */
const FETCHES_PER_SPAN = 6
const SPAN_MS = 60_000
const SERVERS = 10_000
const DIRECT_AT_A_TIME = 20

/** Gets keys that are missing or whose validity is over: each server once at a time, notaries for many servers at once. */
export class KeySupply {
  readonly #deps: KeySupplyDeps
  readonly #inSlot = createSlots(DIRECT_AT_A_TIME)
  readonly #fetching = new Map<ServerName, Promise<boolean>>()
  readonly #spent = new LRUCache<ServerName, { readonly since: number; readonly fetches: number }>({ max: SERVERS })

  constructor(deps: KeySupplyDeps) {
    this.#deps = deps
  }

  /** Ends when all have been asked for. Returns the servers of which somebody has answered. */
  async fetch(wanted: readonly WantedKeys[], options: FetchOptions = {}): Promise<ReadonlySet<ServerName>> {
    const own = wanted.filter(({ server }) => !this.#fetching.has(server) && this.#mayFetch(server))
    this.#begin(own, options)
    const waited = wanted.map(async ({ server }) => ((await this.#fetching.get(server)) === true ? server : undefined))
    return new Set((await Promise.all(waited)).filter((server) => server !== undefined))
  }

  #begin(wanted: readonly WantedKeys[], options: FetchOptions): void {
    const { fetcher, preferDirect } = this.#deps
    if (wanted.length === 0) return
    const useNotaries = options.directOnly !== true && fetcher.hasNotaries
    const notariesFirst = useNotaries && !preferDirect ? this.#fromNotaries(wanted) : undefined
    const direct = new Map(
      wanted.map((one) => {
        const before = notariesFirst ?? Promise.resolve(new Set<ServerName>())
        const asked = before.then((have) => have.has(one.server) || this.#direct(one.server, options))
        return [one, asked] as const
      }),
    )
    const notariesLast =
      useNotaries && preferDirect
        ? Promise.all([...direct].map(async ([one, asked]) => ((await asked) && (await this.#has(one)) ? [] : [one])))
            .then((missing) => missing.flat())
            .then((missing) => this.#fromNotaries(missing))
        : undefined
    notariesLast?.catch(() => undefined)
    for (const [one, asked] of direct) {
      const { server } = one
      const done = asked.then(async (answered) => answered || (await notariesLast)?.has(server) === true)
      const settled = done.finally(() => this.#fetching.delete(server))
      // Whoever waits for it is told; that nobody does is no accident.
      settled.catch(() => undefined)
      this.#fetching.set(server, settled)
    }
  }

  /** Those that they could say enough of. */
  async #fromNotaries(wanted: readonly WantedKeys[]): Promise<Set<ServerName>> {
    const { fetcher, store } = this.#deps
    if (wanted.length === 0) return new Set()
    for (const response of await fetcher.throughNotaries(wanted)) await store.save(response, false)
    const had = await Promise.all(wanted.map(async (one) => ((await this.#has(one)) ? [one.server] : [])))
    return new Set(had.flat())
  }

  async #direct(server: ServerName, { evenIfFailing = false }: FetchOptions): Promise<boolean> {
    const response = await this.#inSlot(() => this.#deps.fetcher.direct(server, evenIfFailing))
    if (response !== undefined) await this.#deps.store.save(response, true)
    return response !== undefined
  }

  async #has({ server, keyIds, validUntil }: WantedKeys): Promise<boolean> {
    const keys = (await this.#deps.store.keysOf([server])).get(server)
    return keyIds.some((keyId) => {
      const key = keys?.get(keyId)
      return key !== undefined && isValidAt(key, validUntil)
    })
  }

  #mayFetch(server: ServerName): boolean {
    const now = this.#deps.time.monotonic()
    const before = this.#spent.get(server)
    const spent = before === undefined || now - before.since > SPAN_MS ? { since: now, fetches: 0 } : before
    if (spent.fetches >= FETCHES_PER_SPAN) return false
    this.#spent.set(server, { since: spent.since, fetches: spent.fetches + 1 })
    return true
  }
}

/** Whether an event of that time may be signed with it. */
export function isValidAt({ validUntil, expired }: ServerKey, at: number): boolean {
  return at <= (validUntil ?? expired ?? Number.NEGATIVE_INFINITY)
}
