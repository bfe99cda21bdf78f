import type { Transaction } from '../../platform/database.js'
import type { UserId } from '../../protocol/ids.js'
import { getValue, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { verifyJson, verifyKeyOf } from '../../protocol/signing.js'
import type { CrossSigning } from './api.js'
import { announceDeviceLists, type Context } from './context.js'
import { type CrossSigningKey, checkCrossSigningKey, unsignedText } from './key-shapes.js'
import { parseKey } from './query-keys.js'
import {
  type CrossSigningKeyRow,
  type KeyUsage,
  SELECT_CROSS_SIGNING_KEYS,
  UPSERT_CROSS_SIGNING_KEYS,
} from './store/cross-signing-keys.js'
import { DELETE_SIGNATURES_OF_KEYS } from './store/signatures.js'
import { uploadSignatures } from './upload-signatures.js'

const MEMBERS: readonly (readonly [member: string, usage: KeyUsage])[] = [
  ['master_key', 'master'],
  ['self_signing_key', 'self_signing'],
  ['user_signing_key', 'user_signing'],
]

type StoredKeys = ReadonlyMap<KeyUsage, CrossSigningKeyRow>

export function createCrossSigning(context: Context): CrossSigning {
  const { database, devices, writers } = context

  const storedKeys = async (executor: Pick<Transaction, 'run'>, userId: UserId): Promise<StoredKeys> => {
    const rows = await executor.run(SELECT_CROSS_SIGNING_KEYS, [userId])
    return new Map(rows.map((row) => [row.usage, row]))
  }

  return {
    async crossSigningNeedsAuth(userId, keys) {
      const given = givenKeys(keys, userId)
      const stored = await storedKeys(database, userId)
      return stored.has('master') && given.some((key) => isNew(key, stored))
    },

    async uploadCrossSigningKeys(userId, keys) {
      const given = givenKeys(keys, userId)
      if (given.length === 0) return
      const own: ReadonlySet<string> = (await devices.of([userId])).get(userId) ?? new Set()
      if (given.some((key) => own.has(key.publicKey))) {
        throw new MatrixError('M_FORBIDDEN', 'A key has the name of one of the devices')
      }
      await writers.run(userId, () =>
        database.transaction(async (tx) => {
          const stored = await storedKeys(tx, userId)
          checkMasterSignatures(given, stored, userId)
          await replaceKeys(context, tx, userId, given, stored)
        }),
      )
    },

    uploadSignatures: (userId, signatures) => writers.run(userId, () => uploadSignatures(context, userId, signatures)),
  }
}

/** Null is as good as absent. @throws M_BAD_JSON, M_INVALID_PARAM */
function givenKeys(keys: JsonObject, userId: UserId): CrossSigningKey[] {
  const given: CrossSigningKey[] = []
  for (const [member, usage] of MEMBERS) {
    const key = getValue(keys, member)
    if (key !== undefined && key !== null) given.push(checkCrossSigningKey(key, usage, userId))
  }
  return given
}

function isNew(key: CrossSigningKey, stored: StoredKeys): boolean {
  const present = stored.get(key.usage)
  return present === undefined || unsignedText(parseKey(present.content)) !== unsignedText(key.object)
}

/** @throws M_MISSING_PARAM without a master key, M_INVALID_SIGNATURE */
function checkMasterSignatures(given: readonly CrossSigningKey[], stored: StoredKeys, userId: UserId): void {
  const master = given.find((key) => key.usage === 'master')?.publicKey ?? stored.get('master')?.public_key
  if (master === undefined) throw new MatrixError('M_MISSING_PARAM', 'There is no master key')
  const verifyKey = verifyKeyOf(master)
  for (const { usage, object } of given) {
    if (usage === 'master') continue
    if (verifyKey === undefined || !verifyJson(object, userId, `ed25519:${master}`, verifyKey)) {
      throw new MatrixError('M_INVALID_SIGNATURE', `The ${usage} key is not signed by the master key`)
    }
  }
}

async function replaceKeys(
  context: Context,
  tx: Transaction,
  userId: UserId,
  given: readonly CrossSigningKey[],
  stored: StoredKeys,
): Promise<void> {
  const changed = given.filter((key) => stored.get(key.usage)?.content !== key.content)
  if (changed.length === 0) return
  const replaced = changed
    .map((key) => ({ before: stored.get(key.usage)?.public_key, after: key.publicKey }))
    .flatMap(({ before, after }) => (before === undefined || before === after ? [] : [before]))
  await Promise.all([
    tx.run(
      UPSERT_CROSS_SIGNING_KEYS,
      userId,
      changed.map((key) => key.usage),
      changed.map((key) => key.publicKey),
      changed.map((key) => key.content),
    ),
    replaced.length === 0
      ? undefined
      : tx.run(
          DELETE_SIGNATURES_OF_KEYS,
          userId,
          replaced,
          replaced.map((key) => `ed25519:${key}`),
        ),
  ])
  // Nobody else is shown the user-signing key.
  const isPrivate = changed.every((key) => key.usage === 'user_signing')
  await announceDeviceLists(context, tx, [isPrivate ? { userId, viewer: userId } : { userId }])
}
