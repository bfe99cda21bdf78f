import type { Config } from '../../../config/schema.js'
import type { Log } from '../../../platform/log.js'
import type { Clock } from '../../../platform/time.js'
import { parseServerName, type ServerName } from '../../../protocol/ids.js'
import { getArray, getString, isJsonObject, type JsonObject } from '../../../protocol/json.js'
import { signaturesOf, type VerifyKey, verifyTextLater } from '../../../protocol/signing.js'
import type { FederationRequest } from '../api.js'
import { FederationFailure } from '../failure.js'
import { type KeyResponse, readKeyResponse, textToSign, usableKey } from './key-response.js'

/** A server of `federation_api.key_perspectives`. */
export interface Notary {
  readonly server: ServerName
  readonly keys: ReadonlyMap<string, VerifyKey>
}

export interface KeyFetcherDeps {
  readonly request: (request: FederationRequest) => Promise<JsonObject>
  readonly notaries: readonly Notary[]
  readonly time: Clock
  readonly log: Log
}

export interface WantedKeys {
  readonly server: ServerName
  readonly keyIds: readonly string[]
  /** The answer should be good until then. */
  readonly validUntil: number
}

const DEADLINE_MS = 10_000
const MOST_DIRECT_BYTES = 262_144
const MOST_NOTARY_BYTES = 4 << 20
const SERVERS_PER_QUERY = 100

/** The configured notaries; those without a usable name or key say nothing that could be believed. */
export function notariesOf(config: Pick<Config, 'federation_api'>, own: ServerName): Notary[] {
  return config.federation_api.key_perspectives.flatMap(({ server_name, keys }): Notary[] => {
    const server = parseServerName(server_name)
    const usable = new Map<string, VerifyKey>()
    for (const { key_id, public_key } of keys) {
      const key = usableKey(public_key)?.key
      if (key !== undefined) usable.set(key_id, key)
    }
    return server === undefined || server === own || usable.size === 0 ? [] : [{ server, keys: usable }]
  })
}

/** Asks for keys: a server for its own, notaries for those of others. */
export class KeyFetcher {
  readonly #deps: KeyFetcherDeps

  constructor(deps: KeyFetcherDeps) {
    this.#deps = deps
  }

  get hasNotaries(): boolean {
    return this.#deps.notaries.length > 0
  }

  /** Undefined when it does not answer, or with something that is not to be believed. */
  async direct(server: ServerName, evenIfFailing: boolean): Promise<KeyResponse | undefined> {
    const { request, time, log } = this.#deps
    try {
      const object = await request({
        destination: server,
        method: 'GET',
        path: '/_matrix/key/v2/server',
        signed: false,
        deadlineMs: DEADLINE_MS,
        maxBytes: MOST_DIRECT_BYTES,
        evenIfFailing,
      })
      const response = await readKeyResponse(object, server, time.now())
      if (response === undefined) log.warn({ server }, 'the keys that a server publishes are not to be believed')
      return response
    } catch (error) {
      if (!(error instanceof FederationFailure)) throw error
      log.debug({ server, why: error.message }, 'a server does not answer for its keys')
      return undefined
    }
  }

  /** What the notaries say, the first one's word first; those it does not know are asked of the next. */
  async throughNotaries(wanted: readonly WantedKeys[]): Promise<KeyResponse[]> {
    const found: KeyResponse[] = []
    let missing = wanted
    for (const notary of this.#deps.notaries) {
      const answers = await Promise.all(inParts(missing).map((part) => this.#ask(notary, part)))
      found.push(...answers.flat())
      const answered = new Set(found.map(({ server }) => server))
      missing = missing.filter(({ server }) => !answered.has(server))
    }
    return found
  }

  async #ask(notary: Notary, wanted: readonly WantedKeys[]): Promise<KeyResponse[]> {
    const { request, time, log } = this.#deps
    const criteria = wanted.map(({ server, keyIds, validUntil }): [string, JsonObject] => [
      server,
      Object.fromEntries(keyIds.map((keyId) => [keyId, { minimum_valid_until_ts: validUntil }])),
    ])
    let answer: JsonObject
    try {
      answer = await request({
        destination: notary.server,
        method: 'POST',
        path: '/_matrix/key/v2/query',
        body: { server_keys: Object.fromEntries(criteria) },
        deadlineMs: DEADLINE_MS,
        maxBytes: MOST_NOTARY_BYTES,
      })
    } catch (error) {
      if (!(error instanceof FederationFailure)) throw error
      log.warn({ notary: notary.server, why: error.message }, 'a notary does not answer')
      return []
    }
    const asked = new Set(wanted.map(({ server }) => server))
    const objects = (getArray(answer, 'server_keys') ?? []).filter(isJsonObject)
    const read = await Promise.all(
      objects.map(async (object): Promise<KeyResponse | undefined> => {
        const server = parseServerName(getString(object, 'server_name') ?? '')
        if (server === undefined || !asked.has(server)) return undefined
        return (await isSignedBy(notary, object)) ? readKeyResponse(object, server, time.now()) : undefined
      }),
    )
    return read.filter((response) => response !== undefined)
  }
}

async function isSignedBy(notary: Notary, object: JsonObject): Promise<boolean> {
  const text = textToSign(object)
  if (text === undefined) return false
  for (const [keyId, signature] of signaturesOf(object, notary.server)) {
    const key = notary.keys.get(keyId)
    if (key !== undefined && (await verifyTextLater(text, signature, key))) return true
  }
  return false
}

function inParts(wanted: readonly WantedKeys[]): (readonly WantedKeys[])[] {
  const parts: (readonly WantedKeys[])[] = []
  for (let at = 0; at < wanted.length; at += SERVERS_PER_QUERY) parts.push(wanted.slice(at, at + SERVERS_PER_QUERY))
  return parts
}
