import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import nacl from 'tweetnacl'
import type { ServerName } from './ids.js'
import { canonicalJson, getObject, getString, type JsonObject, type JsonValue } from './json.js'

/**
 * Ed25519 signatures over canonical JSON. Appendices "Signing JSON", "Unpadded Base64".
 *
 * `node:crypto` signs and verifies (a hundred times faster); tweetnacl derives the public key of a seed.
 */

/** A key of this server. Its id is `ed25519:` and a name. */
export interface SigningKey {
  readonly keyId: string
  /** The 32 bytes that `matrix_key.pem` holds. */
  readonly seed: Uint8Array
  /** Unpadded base64, as it is published. */
  readonly publicKey: string
  readonly privateKey: KeyObject
}

/** A public key that signatures can be checked against. */
export interface VerifyKey {
  readonly key: KeyObject
}

export const SEED_BYTES = 32
const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64

// RFC 8410: what stands before the 32 bytes of a key in PKCS #8 and SubjectPublicKeyInfo.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

const KEY_ID = /^ed25519:[A-Za-z0-9_]+$/

/** Whether it may name a key of ours: `ed25519:` and letters, digits or `_`. */
export function isSigningKeyId(keyId: string): boolean {
  return KEY_ID.test(keyId)
}

/** @throws RangeError when the seed is not 32 bytes or the key id is none */
export function signingKeyOf(keyId: string, seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES)
    throw new RangeError(`A signing key's seed has ${SEED_BYTES} bytes, not ${seed.length}`)
  if (!isSigningKeyId(keyId))
    throw new RangeError(`${keyId} is not a signing key id (ed25519: and letters, digits or _)`)
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  return {
    keyId,
    seed: Uint8Array.from(seed),
    publicKey: encodeBase64(nacl.sign.keyPair.fromSeed(Uint8Array.from(seed)).publicKey),
    privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
  }
}

/** A published key, in base64. Undefined when it is not an Ed25519 public key. */
export function verifyKeyOf(publicKey: string): VerifyKey | undefined {
  const bytes = decodeBase64(publicKey)
  if (bytes?.length !== PUBLIC_KEY_BYTES) return undefined
  return { key: createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' }) }
}

/** The signature of a text's UTF-8, in unpadded base64. */
export function signText(text: string, key: SigningKey): string {
  return encodeBase64(sign(null, Buffer.from(text), key.privateKey))
}

/** Whether the signature (base64) is that of the text. Takes 0.14 ms of the caller's thread: see `verifyTextLater`. */
export function verifyText(text: string, signature: string, key: VerifyKey): boolean {
  const bytes = signatureBytes(signature)
  return bytes !== undefined && verify(null, Buffer.from(text), key.key, bytes)
}

/** The same on the thread pool. Never rejects. */
export function verifyTextLater(text: string, signature: string, key: VerifyKey): Promise<boolean> {
  const bytes = signatureBytes(signature)
  if (bytes === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    verify(null, Buffer.from(text), key.key, bytes, (error, isValid) => resolve(error === null && isValid))
  })
}

function signatureBytes(signature: string): Uint8Array | undefined {
  const bytes = decodeBase64(signature)
  return bytes?.length === SIGNATURE_BYTES ? bytes : undefined
}

/** What a signature of an object covers: its canonical form without `signatures` and `unsigned`. @throws CanonicalJsonError */
export function signedTextOf(object: JsonObject): string {
  return canonicalJson(without(object, 'signatures', 'unsigned'))
}

/** The object with one more signature. Those that it has are kept. @throws CanonicalJsonError */
export function signJson(object: JsonObject, entity: ServerName, key: SigningKey): JsonObject {
  return withSignature(object, entity, key.keyId, signText(signedTextOf(object), key))
}

export function withSignature(object: JsonObject, entity: string, keyId: string, signature: string): JsonObject {
  const signatures = getObject(object, 'signatures') ?? {}
  const ofEntity = getObject(signatures, entity) ?? {}
  return { ...object, signatures: { ...signatures, [entity]: { ...ofEntity, [keyId]: signature } } }
}

/** Signatures of an entity in an object, by key id. Only those of an algorithm that is known here: Ed25519. */
export function signaturesOf(object: JsonObject, entity: string): Map<string, string> {
  const found = new Map<string, string>()
  const ofEntity = getObject(getObject(object, 'signatures') ?? {}, entity) ?? {}
  for (const keyId of Object.keys(ofEntity)) {
    const signature = getString(ofEntity, keyId)
    if (keyId.startsWith('ed25519:') && signature !== undefined) found.set(keyId, signature)
  }
  return found
}

/** "Checking for a Signature" with one key. False too when there is no such signature, or no canonical form. */
export function verifyJson(object: JsonObject, entity: string, keyId: string, key: VerifyKey): boolean {
  const signature = signaturesOf(object, entity).get(keyId)
  if (signature === undefined) return false
  try {
    return verifyText(signedTextOf(object), signature, key)
  } catch {
    return false
  }
}

/** A copy of the object without some keys; like parsed ones it has no prototype. */
export function without(object: JsonObject, ...keys: readonly string[]): JsonObject {
  const copy: { [key: string]: JsonValue } = Object.create(null)
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value !== undefined && !keys.includes(key)) copy[key] = value
  }
  return copy
}

export function encodeBase64(bytes: Uint8Array): string {
  return unpadded(asBuffer(bytes).toString('base64'))
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

function unpadded(text: string): string {
  return text.replace(/=+$/, '')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/

/** Bytes of base64 in either alphabet, with or without padding. Undefined when it is not base64. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const digits = unpadded(text)
  if (!BASE64.test(text) || digits.length % 4 === 1) return undefined
  return Uint8Array.from(Buffer.from(digits, 'base64'))
}

const PEM_LABEL = 'MATRIX PRIVATE KEY'

/**
 * Reads `matrix_key.pem` as Dendrite writes it: a `Key-ID` header and 32 bytes of seed.
 * @throws Error that says what is wrong with the file, without any of the key
 */
export function parseKeyPem(text: string): SigningKey {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const begin = lines.indexOf(`-----BEGIN ${PEM_LABEL}-----`)
  const end = lines.indexOf(`-----END ${PEM_LABEL}-----`)
  if (begin === -1 || end < begin) throw new Error(`there is no PEM block of type ${PEM_LABEL}`)
  const headers = new Map<string, string>()
  let digits = ''
  for (const line of lines.slice(begin + 1, end)) {
    const colon = line.indexOf(':')
    if (colon === -1) digits += line
    else headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const keyId = headers.get('key-id')
  if (keyId === undefined) throw new Error('the PEM block has no Key-ID header')
  if (!isSigningKeyId(keyId)) throw new Error(`its Key-ID ${keyId} is not ed25519: and letters, digits or _`)
  const bytes = decodeBase64(digits)
  if (bytes === undefined) throw new Error('the key is not base64')
  if (bytes.length < SEED_BYTES) throw new Error(`the key has ${bytes.length} bytes instead of ${SEED_BYTES}`)
  return signingKeyOf(keyId, bytes.slice(0, SEED_BYTES))
}

/** Text of `matrix_key.pem`, byte for byte as Dendrite writes it. */
export function keyPemOf(key: Pick<SigningKey, 'keyId' | 'seed'>): string {
  const base64 = Buffer.from(key.seed).toString('base64')
  return `-----BEGIN ${PEM_LABEL}-----\nKey-ID: ${key.keyId}\n\n${base64}\n-----END ${PEM_LABEL}-----\n`
}
