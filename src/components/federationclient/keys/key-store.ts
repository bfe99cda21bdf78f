import type { ByteCache, CacheBudget } from '../../../platform/cache.js'
import type { Database } from '../../../platform/database.js'
import { LoadingCache } from '../../../platform/loading-cache.js'
import type { ServerName } from '../../../protocol/ids.js'
import { isJsonObject, type JsonObject, parseStoredJson, stringifyJson } from '../../../protocol/json.js'
import { SELECT_RESPONSES, SELECT_SERVER_KEYS, type ServerKeyRow, UPSERT_SERVER_KEYS } from '../store/server-keys.js'
import { type KeyResponse, type ServerKey, usableKey } from './key-response.js'

/** By key id. */
export type KeysOfServer = ReadonlyMap<string, ServerKey>

const KEY_BYTES = 600

/** What is known of other servers' keys: in the database, the used ones in memory. */
export class KeyStore {
  readonly #database: Database
  readonly #cache: LoadingCache<ServerName, KeysOfServer>

  constructor({ database, caches }: { readonly database: Database; readonly caches: CacheBudget }) {
    this.#database = database
    const cache: ByteCache<ServerName, KeysOfServer> = caches.cache(
      'federationclient.keys',
      (keys) => 200 + keys.size * KEY_BYTES,
    )
    this.#cache = new LoadingCache(cache, (servers) => this.#load(servers))
  }

  /** Every server asked for is in the answer, if need be without keys. */
  keysOf(servers: readonly ServerName[]): Promise<Map<ServerName, KeysOfServer>> {
    return this.#cache.getMany(servers)
  }

  /** `isDirect`: the server itself has said so. */
  async save(response: KeyResponse, isDirect: boolean): Promise<void> {
    const { server, keys, fetchedTs, saidUntilTs, object } = response
    await this.#database.run(
      UPSERT_SERVER_KEYS,
      server,
      keys.map((key) => key.keyId),
      keys.map((key) => key.publicKey),
      keys.map((key) => key.validUntil ?? null),
      keys.map((key) => key.expired ?? null),
      fetchedTs,
      stringifyJson(object),
      saidUntilTs,
      isDirect,
    )
    this.#cache.invalidate([server])
  }

  /** What the server said when each of its keys was last seen, by key id, the newest first. */
  async responsesOf(server: ServerName): Promise<ReadonlyMap<string, JsonObject>> {
    const found = new Map<string, JsonObject>()
    const parsed = new Map<string, JsonObject>()
    for (const { key_id, response } of await this.#database.run(SELECT_RESPONSES, server)) {
      const object = parsed.get(response) ?? parseStoredJson(response)
      if (!isJsonObject(object)) continue
      // One object for the keys that came together, so that it is passed on once.
      parsed.set(response, object)
      found.set(key_id, object)
    }
    return found
  }

  async #load(servers: readonly ServerName[]): Promise<Map<ServerName, KeysOfServer>> {
    const found = new Map<ServerName, Map<string, ServerKey>>(servers.map((server) => [server, new Map()]))
    for (const row of await this.#database.run(SELECT_SERVER_KEYS, servers)) {
      const key = serverKeyOf(row)
      if (key !== undefined) found.get(row.server_name as ServerName)?.set(row.key_id, key)
    }
    return found
  }
}

function serverKeyOf(row: ServerKeyRow): ServerKey | undefined {
  const usable = usableKey(row.public_key)
  return (
    usable && {
      keyId: row.key_id,
      ...usable,
      validUntil: row.valid_until_ts ?? undefined,
      expired: row.expired_ts ?? undefined,
      fetchedTs: row.fetched_ts,
    }
  )
}
