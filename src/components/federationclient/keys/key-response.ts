import type { ServerName } from '../../../protocol/ids.js'
import { getInteger, getObject, getString, type JsonObject } from '../../../protocol/json.js'
import { signaturesOf, signedTextOf, type VerifyKey, verifyKeyOf, verifyTextLater } from '../../../protocol/signing.js'

/** A key of another server, as it is known here. */
export interface ServerKey {
  readonly keyId: string
  /** Unpadded base64. */
  readonly publicKey: string
  readonly key: VerifyKey
  /** Of a key in use: when what is known of it ends. Undefined for one that is no longer in use. */
  readonly validUntil: number | undefined
  /** Of a key no longer in use: when that was. */
  readonly expired: number | undefined
  readonly fetchedTs: number
}

/** What a server has said of its keys. */
export interface KeyResponse {
  readonly server: ServerName
  readonly keys: readonly ServerKey[]
  readonly object: JsonObject
  readonly fetchedTs: number
  /** Its `valid_until_ts`, however far ahead. */
  readonly saidUntilTs: number
}

const DAY_MS = 86_400_000
/** SS "Publishing Keys": a server cannot bind others to a stolen key for longer. */
const LONGEST_VALIDITY_MS = 7 * DAY_MS
const MOST_KEYS = 100
const KEY_ID = /^ed25519:[A-Za-z0-9_]{1,200}$/

/** Public keys whose private halves are public: made with a fixed seed (CVE-2026-24044). */
const COMPROMISED: ReadonlySet<string> = new Set(['l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og'])

/** A usable Ed25519 key in unpadded base64. */
export function usableKey(publicKey: string): { readonly publicKey: string; readonly key: VerifyKey } | undefined {
  const unpadded = publicKey.replace(/=+$/, '')
  if (COMPROMISED.has(unpadded)) return undefined
  const key = verifyKeyOf(unpadded)
  return key && { publicKey: unpadded, key }
}

/**
 * Reads and checks the object that a server publishes, from itself or through a notary. Undefined when it is of another
 * server, malformed, or not signed by a key that it holds; a signature by one of them that is wrong spoils it.
 */
export async function readKeyResponse(
  object: JsonObject,
  server: ServerName,
  fetchedTs: number,
): Promise<KeyResponse | undefined> {
  const validUntil = getInteger(object, 'valid_until_ts')
  const verifyKeys = getObject(object, 'verify_keys')
  if (getString(object, 'server_name') !== server || validUntil === undefined || verifyKeys === undefined)
    return undefined
  const limit = Math.min(Math.max(validUntil, 0), fetchedTs + LONGEST_VALIDITY_MS)
  const current = keysIn(verifyKeys).map(({ entry: _entry, ...key }) => {
    return { ...key, validUntil: limit, expired: undefined, fetchedTs }
  })
  const inUse = new Set(current.map(({ keyId }) => keyId))
  const old = keysIn(getObject(object, 'old_verify_keys') ?? {}).flatMap(({ entry, ...key }): ServerKey[] => {
    const expired = getInteger(entry, 'expired_ts')
    if (expired === undefined || expired < 0 || inUse.has(key.keyId)) return []
    return [{ ...key, validUntil: undefined, expired, fetchedTs }]
  })
  if (!(await isSignedByOwnKeys(object, server, current))) return undefined
  return { server, keys: [...current, ...old].slice(0, MOST_KEYS), object, fetchedTs, saidUntilTs: validUntil }
}

function keysIn(keys: JsonObject): { keyId: string; publicKey: string; key: VerifyKey; entry: JsonObject }[] {
  return Object.keys(keys)
    .slice(0, MOST_KEYS)
    .flatMap((keyId) => {
      const entry = getObject(keys, keyId)
      const usable = KEY_ID.test(keyId) && entry !== undefined ? usableKey(getString(entry, 'key') ?? '') : undefined
      return usable === undefined || entry === undefined ? [] : [{ keyId, ...usable, entry }]
    })
}

async function isSignedByOwnKeys(object: JsonObject, server: ServerName, keys: readonly ServerKey[]): Promise<boolean> {
  const signatures = signaturesOf(object, server)
  const signed = keys.filter(({ keyId }) => signatures.has(keyId))
  if (signed.length === 0) return false
  const text = textToSign(object)
  if (text === undefined) return false
  const checks = signed.map(({ keyId, key }) => verifyTextLater(text, signatures.get(keyId) ?? '', key))
  return (await Promise.all(checks)).every((isRight) => isRight)
}

/** Undefined for an object without canonical form, which nobody can have signed. */
export function textToSign(object: JsonObject): string | undefined {
  try {
    return signedTextOf(object)
  } catch {
    return undefined
  }
}
