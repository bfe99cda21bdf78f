import type { Clock } from '../../../platform/time.js'
import type { ServerName } from '../../../protocol/ids.js'
import type { JsonObject } from '../../../protocol/json.js'
import { type SigningKey, signJson, verifyTextLater } from '../../../protocol/signing.js'
import type { KeyQuery, KeyRing, SignatureCheck, SignatureUse, SignatureVerdict } from '../api.js'
import type { WantedKeys } from './key-fetcher.js'
import { type ServerKey, usableKey } from './key-response.js'
import type { KeyStore, KeysOfServer } from './key-store.js'
import { isValidAt, type KeySupply } from './key-supply.js'
import { ownKeyPublisher, type RetiredKey } from './own-keys.js'

export interface KeyRingDeps {
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly retired: readonly RetiredKey[]
  readonly validityMs: number
  readonly store: KeyStore
  readonly supply: KeySupply
  readonly time: Clock
}

/** Whoever puts more on one event wants us to work. */
const MOST_SIGNATURES = 10
const LONGEST_VALIDITY_MS = 7 * 86_400_000

const NO_KEYS: KeysOfServer = new Map()

export function createKeyRing(deps: KeyRingDeps): KeyRing {
  const published = ownKeyPublisher(deps)
  return { verify: verifier(deps), published, notarised: notary(deps, published) }
}

type Known = ReadonlyMap<ServerName, KeysOfServer>

function verifier({ serverName, signingKey, retired, store, supply, time }: KeyRingDeps): KeyRing['verify'] {
  const ownKeys = keysOfOurs(signingKey, retired)
  const load = async (servers: readonly ServerName[]): Promise<Known> => {
    const known = await store.keysOf(servers)
    return known.set(serverName, ownKeys)
  }
  return async (checks) => {
    const now = time.now()
    const servers = [...new Set(checks.map(({ server }) => server))].filter((server) => server !== serverName)
    let known = await load(servers)
    const wanted = missing(checks, known, now).filter(({ server }) => server !== serverName)
    let answered: ReadonlySet<ServerName> = new Set()
    if (wanted.length > 0) {
      const urgent = checks.some(({ use }) => use.kind === 'request')
      answered = await supply.fetch(wanted, { evenIfFailing: urgent })
      known = await load(servers)
    }
    const unanswered = new Set(wanted.map(({ server }) => server).filter((server) => !answered.has(server)))
    return Promise.all(checks.map((check) => verdictOn(check, known.get(check.server) ?? NO_KEYS, now, unanswered)))
  }
}

function keysOfOurs(signingKey: SigningKey, retired: readonly RetiredKey[]): KeysOfServer {
  const keys = new Map<string, ServerKey>()
  const add = (keyId: string, publicKey: string, expired: number | undefined): void => {
    const usable = usableKey(publicKey)
    const validUntil = expired === undefined ? Number.POSITIVE_INFINITY : undefined
    if (usable !== undefined) keys.set(keyId, { keyId, ...usable, validUntil, expired, fetchedTs: 0 })
  }
  for (const { keyId, publicKey, expiredTs } of retired) add(keyId, publicKey, expiredTs)
  add(signingKey.keyId, signingKey.publicKey, undefined)
  return keys
}

/** Key ids of the signatures that are looked at. */
function namedKeys({ signatures }: SignatureCheck): string[] {
  return [...signatures.keys()].filter((keyId) => keyId.startsWith('ed25519:')).slice(0, MOST_SIGNATURES)
}

/** Room versions 5 and later "Signing key validity period"; SS "Publishing Keys" for requests. */
function isGoodFor(key: ServerKey, use: SignatureUse, now: number): boolean {
  if (use.kind === 'request') return key.validUntil !== undefined && now <= key.validUntil
  return use.at === undefined || isValidAt(key, use.at)
}

/** What has to be fetched before the checks can be decided: for each server, all of it together. */
function missing(checks: readonly SignatureCheck[], known: Known, now: number): WantedKeys[] {
  const wanted = new Map<ServerName, { server: ServerName; keyIds: Set<string>; validUntil: number }>()
  for (const check of checks) {
    const { server, use } = check
    const keys = known.get(server) ?? NO_KEYS
    const named = namedKeys(check)
    const isDecidable = named.some((keyId) => {
      const key = keys.get(keyId)
      return key !== undefined && (isGoodFor(key, use, now) || !canBecomeGood(key, use, now))
    })
    if (named.length === 0 || isDecidable) continue
    const entry = wanted.get(server) ?? { server, keyIds: new Set<string>(), validUntil: 0 }
    for (const keyId of named) entry.keyIds.add(keyId)
    entry.validUntil = Math.max(entry.validUntil, use.kind === 'request' ? now : Math.min(use.at ?? 0, now))
    wanted.set(server, entry)
  }
  return [...wanted.values()].map(({ keyIds, ...entry }) => ({ ...entry, keyIds: [...keyIds] }))
}

/** A key that is no longer in use stays so, and no key is good for times that are too far ahead. */
function canBecomeGood(key: ServerKey, use: SignatureUse, now: number): boolean {
  if (key.validUntil === undefined) return false
  return use.kind === 'request' || use.at === undefined || use.at <= now + LONGEST_VALIDITY_MS
}

async function verdictOn(
  check: SignatureCheck,
  keys: KeysOfServer,
  now: number,
  unanswered: ReadonlySet<ServerName>,
): Promise<SignatureVerdict> {
  const named = namedKeys(check)
  if (named.length === 0) return 'unsigned'
  const known = named.map((keyId) => keys.get(keyId)).filter((key) => key !== undefined)
  const good = known.filter((key) => isGoodFor(key, check.use, now))
  for (const { keyId, key } of good) {
    if (await verifyTextLater(check.text, check.signatures.get(keyId) ?? '', key)) return 'valid'
  }
  if (good.length > 0) return 'invalid'
  const mayStillCome = unanswered.has(check.server) && known.some((key) => canBecomeGood(key, check.use, now))
  return known.length === 0 || mayStillCome ? 'unknown-key' : 'invalid'
}

/** SS "Querying Keys Through Another Server": only what the servers themselves have told us, and our signature on it. */
function notary(
  { serverName, signingKey, store, supply, time }: KeyRingDeps,
  published: () => JsonObject,
): KeyRing['notarised'] {
  const isKnown = async (query: KeyQuery, keyId: string, until: number): Promise<boolean> => {
    const key = (await store.keysOf([query.server])).get(query.server)?.get(keyId)
    return key !== undefined && (key.expired !== undefined || isValidAt(key, until))
  }
  const isSatisfied = async (query: KeyQuery, minimum: number): Promise<boolean> => {
    if (query.keys.size > 0) {
      const found = [...query.keys].map(([keyId, until]) => isKnown(query, keyId, until ?? minimum))
      return (await Promise.all(found)).every((one) => one)
    }
    const keys = (await store.keysOf([query.server])).get(query.server) ?? NO_KEYS
    return [...keys.values()].some((key) => key.validUntil !== undefined && minimum <= key.validUntil)
  }
  const answer = async (query: KeyQuery): Promise<JsonObject[]> => {
    const { server, keys, minimumValidUntil: minimum = time.now() } = query
    if (!(await isSatisfied(query, minimum))) {
      await supply.fetch([{ server, keyIds: [...keys.keys()], validUntil: minimum }], { directOnly: true })
    }
    const responses = await store.responsesOf(server)
    const [newest] = responses.values()
    const chosen = keys.size > 0 ? [...keys.keys()].map((keyId) => responses.get(keyId)) : [newest]
    const objects = new Set(chosen.filter((object) => object !== undefined))
    return [...objects].map((object) => signJson(object, serverName, signingKey))
  }
  return async (queries) => {
    const own = queries.some(({ server }) => server === serverName) ? [published()] : []
    const others = await Promise.all(queries.filter(({ server }) => server !== serverName).map(answer))
    return [...own, ...others.flat()]
  }
}
