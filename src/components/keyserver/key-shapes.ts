import { type DeviceId, fitsBytes, MAX_ID_BYTES, type UserId } from '../../protocol/ids.js'
import {
  canonicalJson,
  getObject,
  getString,
  getStrings,
  getValue,
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
} from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { verifyKeyOf, without } from '../../protocol/signing.js'
import type { KeyUsage } from './store/cross-signing-keys.js'

/**
 * Shapes of uploaded keys. They are served to other servers as they are, so nothing passes that another server may
 * refuse. Definitions device_keys, one_time_keys, cross_signing_key.
 */

/** Of one key object. Device keys of today's clients have about 700 bytes. */
const KEY_BYTES = 65_536
const ONE_TIME_KEY_BYTES = 8_192

export function badJson(message: string): MatrixError {
  return new MatrixError('M_BAD_JSON', message)
}

function invalid(message: string): MatrixError {
  return new MatrixError('M_INVALID_PARAM', message)
}

/** Canonical text of what is stored. @throws M_BAD_JSON for numbers that Matrix does not allow, M_INVALID_PARAM when too long */
export function storedText(value: JsonValue, limit = KEY_BYTES): string {
  let text: string
  try {
    text = canonicalJson(value, { enforce: true })
  } catch (error) {
    if (error instanceof JsonError) throw badJson(error.message)
    throw error
  }
  if (Buffer.byteLength(text) > limit) throw invalid(`A key may have ${limit} bytes`)
  return text
}

/** Device keys as they are stored. @throws M_BAD_JSON, M_INVALID_PARAM */
export function checkDeviceKeys(keys: JsonObject, userId: UserId, deviceId: DeviceId): string {
  if (getString(keys, 'user_id') !== userId) throw badJson('device_keys.user_id is not the user')
  if (getString(keys, 'device_id') !== deviceId) throw badJson('device_keys.device_id is not the device')
  if (getStrings(keys, 'algorithms') === undefined) throw badJson('device_keys.algorithms must be an array of strings')
  const publicKeys = getObject(keys, 'keys')
  if (publicKeys === undefined) throw badJson('device_keys.keys must be an object')
  for (const [name, value] of Object.entries(publicKeys)) {
    if (!/^[^:]+:./.test(name)) throw badJson('device_keys.keys must be named <algorithm>:<device_id>')
    if (typeof value !== 'string') throw badJson('device_keys.keys must be strings')
  }
  checkSignatures(getValue(keys, 'signatures'), 'device_keys')
  return storedText(without(keys, 'unsigned'))
}

/** `{ user id: { key id: signature } }`. */
function checkSignatures(signatures: JsonValue | undefined, of: string): void {
  if (!isJsonObject(signatures)) throw badJson(`${of}.signatures must be an object`)
  for (const byUser of Object.values(signatures)) {
    const isShaped = isJsonObject(byUser) && Object.values(byUser).every((signature) => typeof signature === 'string')
    if (!isShaped) throw badJson(`${of}.signatures must map users to maps of key ids to strings`)
  }
}

export interface NamedKey {
  readonly algorithm: string
  readonly keyId: string
  readonly content: string
}

/** One-time or fallback keys. @throws M_BAD_JSON, M_INVALID_PARAM */
export function checkNamedKeys(keys: JsonObject, what: 'one_time_keys' | 'fallback_keys'): NamedKey[] {
  return Object.entries(keys).map(([name, value]) => {
    const colon = name.indexOf(':')
    const algorithm = name.slice(0, colon)
    const keyId = name.slice(colon + 1)
    if (colon < 1 || keyId === '') throw badJson(`${what} must be named <algorithm>:<key_id>`)
    if (!fitsBytes(name, MAX_ID_BYTES)) throw invalid(`A name in ${what} may have ${MAX_ID_BYTES} bytes`)
    if (isJsonObject(value)) {
      if (getString(value, 'key') === undefined) throw badJson(`${what}: key must be a string`)
      checkSignatures(getValue(value, 'signatures'), what)
    } else if (typeof value !== 'string') {
      throw badJson(`${what} must be strings or objects`)
    }
    return { algorithm, keyId, content: storedText(value, ONE_TIME_KEY_BYTES) }
  })
}

export interface CrossSigningKey {
  readonly usage: KeyUsage
  /** Unpadded base64: names the key in signatures, behind `ed25519:`. */
  readonly publicKey: string
  readonly object: JsonObject
  readonly content: string
}

/** @throws M_BAD_JSON, M_INVALID_PARAM */
export function checkCrossSigningKey(key: JsonValue, usage: KeyUsage, userId: UserId): CrossSigningKey {
  if (!isJsonObject(key)) throw badJson(`The ${usage} key must be an object`)
  if (getString(key, 'user_id') !== userId) throw invalid(`The ${usage} key is of another user`)
  if (getStrings(key, 'usage')?.includes(usage) !== true) throw invalid(`The ${usage} key is not for that usage`)
  const keys = Object.entries(getObject(key, 'keys') ?? {})
  const [name, value] = keys[0] ?? []
  if (keys.length !== 1 || name === undefined || typeof value !== 'string' || name !== `ed25519:${value}`) {
    throw invalid(`The ${usage} key must have one key, named ed25519: and the key itself`)
  }
  if (verifyKeyOf(value) === undefined) throw invalid(`The ${usage} key is not an Ed25519 key`)
  if (getValue(key, 'signatures') !== undefined) checkSignatures(getValue(key, 'signatures'), usage)
  const object = without(key, 'unsigned')
  return { usage, publicKey: value, object, content: storedText(object) }
}

/** What a key says apart from who has signed it. */
export function unsignedText(key: JsonObject): string {
  return storedText(without(key, 'signatures', 'unsigned'))
}
