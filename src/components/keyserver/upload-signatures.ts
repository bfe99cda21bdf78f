import { parseUserId, type UserId } from '../../protocol/ids.js'
import { getObject, getString, isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { type Errcode, MatrixError } from '../../protocol/matrix-error.js'
import { signaturesOf, signedTextOf, type VerifyKey, verifyKeyOf, verifyTextLater } from '../../protocol/signing.js'
import type { QueriedKeys } from './api.js'
import { announceDeviceLists, type Context, type DeviceListChange } from './context.js'
import { badJson, unsignedText } from './key-shapes.js'
import { queryKeys } from './query-keys.js'
import { UPSERT_SIGNATURES } from './store/signatures.js'

/** Of the signatures in one request. */
const MOST_KEYS = 1_000

interface Verified {
  readonly targetUserId: UserId
  readonly targetKey: string
  readonly signingKeyId: string
  readonly signature: string
}

/** A signed key as the client sends it: the key that is stored, with one signature more. */
interface Signed {
  readonly targetUserId: UserId
  readonly targetKey: string
  readonly object: JsonObject
}

/** Whose signatures count for a key: key id to public key. */
type Signers = ReadonlyMap<string, VerifyKey>

/**
 * Stores the signatures of a user that are right and that cross-signing has a meaning for:
 * 1. their own devices, signed by their self-signing key;
 * 2. their own master key, signed by their devices;
 * 3. other users' master keys, signed by their user-signing key.
 * Everything else goes into `failures`. Client-server API "Cross-signing", keys/signatures/upload.
 */
export async function uploadSignatures(context: Context, userId: UserId, signatures: JsonObject): Promise<JsonObject> {
  const failures = new Map<string, Map<string, JsonObject>>()
  const fail = (targetUser: string, targetKey: string, errcode: Errcode, error: string): void => {
    const ofUser = failures.get(targetUser) ?? new Map<string, JsonObject>()
    failures.set(targetUser, ofUser)
    ofUser.set(targetKey, { errcode, error })
  }

  const signed = readSigned(signatures, fail)
  const targets = new Set([userId, ...signed.map((key) => key.targetUserId)])
  const keys = await queryKeys(context.database, new Map([...targets].map((id) => [id, []])), userId)
  const verified: Verified[] = []
  for (const key of signed) {
    try {
      verified.push(...(await verifySigned(key, userId, keys)))
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      fail(key.targetUserId, key.targetKey, error.errcode, error.message)
    }
  }
  await store(context, userId, verified)
  return Object.fromEntries([...failures].map(([user, ofUser]) => [user, Object.fromEntries(ofUser)]))
}

/** @throws M_BAD_JSON */
function readSigned(
  signatures: JsonObject,
  fail: (targetUser: string, targetKey: string, errcode: Errcode, error: string) => void,
): Signed[] {
  const signed: Signed[] = []
  let count = 0
  for (const [user, keys] of Object.entries(signatures)) {
    if (!isJsonObject(keys)) throw badJson('Signatures must map users to maps of keys')
    const targetUserId = parseUserId(user)
    for (const [targetKey, object] of Object.entries(keys)) {
      if (++count > MOST_KEYS) throw new MatrixError('M_TOO_LARGE', `A request may have ${MOST_KEYS} signed keys`)
      if (targetUserId === undefined) fail(user, targetKey, 'M_INVALID_PARAM', 'Not a user ID')
      else if (!isJsonObject(object)) fail(user, targetKey, 'M_INVALID_PARAM', 'A signed key must be an object')
      else signed.push({ targetUserId, targetKey, object })
    }
  }
  return signed
}

/** @throws M_NOT_FOUND for a key that is not known, M_INVALID_SIGNATURE */
async function verifySigned(key: Signed, userId: UserId, keys: QueriedKeys): Promise<Verified[]> {
  const { stored, signers } = key.targetUserId === userId ? ownKey(key, keys) : masterOfOther(key, userId, keys)
  if (unsignedText(stored) !== unsignedText(key.object)) {
    throw new MatrixError('M_INVALID_SIGNATURE', 'The key differs from the one that is stored')
  }
  const present = signaturesOf(stored, userId)
  const given = [...signaturesOf(key.object, userId)].filter(([id, signature]) => present.get(id) !== signature)
  const text = signedTextOf(key.object)
  const verified: Verified[] = []
  for (const [signingKeyId, signature] of given) {
    const signer = signers.get(signingKeyId)
    if (signer === undefined) continue
    if (!(await verifyTextLater(text, signature, signer))) {
      throw new MatrixError('M_INVALID_SIGNATURE', `The signature of ${signingKeyId} is wrong`)
    }
    verified.push({ targetUserId: key.targetUserId, targetKey: key.targetKey, signingKeyId, signature })
  }
  // Sending again what is stored already is not an error.
  if (verified.length === 0 && (given.length > 0 || present.size === 0)) {
    throw new MatrixError('M_INVALID_SIGNATURE', 'There is no signature by a key that may sign this one')
  }
  return verified
}

function ownKey(key: Signed, keys: QueriedKeys): { stored: JsonObject; signers: Signers } {
  const { targetUserId: userId, targetKey } = key
  const devices = [...(keys.deviceKeys.get(userId) ?? [])]
  const device = devices.find(([deviceId]) => deviceId === targetKey)?.[1]
  if (device !== undefined) return { stored: device, signers: signersOf(keys.selfSigningKeys.get(userId)) }
  const master = keys.masterKeys.get(userId)
  if (master === undefined || publicKeyOf(master) !== targetKey) {
    throw new MatrixError('M_NOT_FOUND', 'There is no such device or master key')
  }
  const signers = new Map<string, VerifyKey>()
  for (const [deviceId, object] of devices) {
    const id = `ed25519:${deviceId}`
    const verifyKey = verifyKeyOf(getString(getObject(object, 'keys') ?? {}, id) ?? '')
    if (verifyKey !== undefined) signers.set(id, verifyKey)
  }
  return { stored: master, signers }
}

function masterOfOther(key: Signed, userId: UserId, keys: QueriedKeys): { stored: JsonObject; signers: Signers } {
  const master = keys.masterKeys.get(key.targetUserId)
  if (master === undefined || publicKeyOf(master) !== key.targetKey) {
    throw new MatrixError('M_NOT_FOUND', 'There is no such master key')
  }
  return { stored: master, signers: signersOf(keys.userSigningKeys.get(userId)) }
}

function signersOf(crossSigningKey: JsonObject | undefined): Signers {
  const publicKey = crossSigningKey === undefined ? undefined : publicKeyOf(crossSigningKey)
  const verifyKey = publicKey === undefined ? undefined : verifyKeyOf(publicKey)
  return verifyKey === undefined ? new Map() : new Map([[`ed25519:${publicKey}`, verifyKey]])
}

function publicKeyOf(crossSigningKey: JsonObject): string | undefined {
  const [value]: (JsonValue | undefined)[] = Object.values(getObject(crossSigningKey, 'keys') ?? {})
  return typeof value === 'string' ? value : undefined
}

async function store(context: Context, userId: UserId, verified: readonly Verified[]): Promise<void> {
  if (verified.length === 0) return
  await context.database.transaction(async (tx) => {
    const rows = await tx.run(
      UPSERT_SIGNATURES,
      userId,
      verified.map((signature) => signature.targetUserId),
      verified.map((signature) => signature.targetKey),
      verified.map((signature) => signature.signingKeyId),
      verified.map((signature) => signature.signature),
    )
    const targets = [...new Set(rows.map((row) => row.target_user_id))]
    const changes = targets.map((target): DeviceListChange => {
      // Only who signs another user's key is shown the signature.
      return target === userId ? { userId } : { userId: target, viewer: userId }
    })
    if (changes.length > 0) await announceDeviceLists(context, tx, changes)
  })
}
