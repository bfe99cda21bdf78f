import type { Transaction } from '../../platform/database.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import type { JsonObject } from '../../protocol/json.js'
import { parseStoredJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { type DeviceKeys, KEY_STREAMS, type KeyCounts } from './api.js'
import { announceDeviceLists, announceKeyCounts, type Context, deviceStreamKey } from './context.js'
import { type Aged, FreshCache } from './fresh-cache.js'
import { badJson, checkDeviceKeys, checkNamedKeys, type NamedKey } from './key-shapes.js'
import { queryKeys } from './query-keys.js'
import { UPSERT_DEVICE_KEYS } from './store/device-keys.js'
import { SELECT_DEVICE_LIST_CHANGES } from './store/device-list-changes.js'
import { UPSERT_FALLBACK_KEYS } from './store/fallback-keys.js'
import {
  CLAIM_KEYS,
  INSERT_ONE_TIME_KEYS,
  type KeyCountRow,
  SELECT_KEY_COUNTS,
  SELECT_ONE_TIME_KEYS,
} from './store/one-time-keys.js'
import { DELETE_SIGNATURES_OF_KEYS } from './store/signatures.js'

/** Unclaimed one-time keys of an algorithm that a device may have here. */
const KEYS_PER_ALGORITHM = 500

interface Upload {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly deviceKeys: string | undefined
  readonly oneTimeKeys: readonly NamedKey[]
  readonly fallbackKeys: readonly NamedKey[]
}

export function createDeviceKeys(context: Context): DeviceKeys {
  const { database, caches, feed, streamClock, writers } = context

  const counts = new FreshCache<string, KeyCounts>(
    caches.cache<string, Aged<KeyCounts>>('keyserver.key_counts', () => 400),
    KEY_STREAMS.keyCounts,
    feed,
    streamClock,
  )

  const keyCounts = async (userId: UserId, deviceId: DeviceId): Promise<KeyCounts> => {
    const key = deviceStreamKey(userId, deviceId)
    const load = async () => new Map([[key, countsOf(await database.run(SELECT_KEY_COUNTS, userId, deviceId))]])
    return (await counts.getMany([key], load)).get(key) ?? countsOf([])
  }

  return {
    keyCounts,

    async uploadKeys(userId, deviceId, keys) {
      const upload: Upload = {
        userId,
        deviceId,
        deviceKeys: keys.deviceKeys && checkDeviceKeys(keys.deviceKeys, userId, deviceId),
        oneTimeKeys: checkNamedKeys(keys.oneTimeKeys ?? {}, 'one_time_keys'),
        fallbackKeys: checkNamedKeys(keys.fallbackKeys ?? {}, 'fallback_keys'),
      }
      if (new Set(upload.fallbackKeys.map((key) => key.algorithm)).size < upload.fallbackKeys.length) {
        throw badJson('fallback_keys may have one key of an algorithm')
      }
      const isEmpty = upload.deviceKeys === undefined && upload.oneTimeKeys.length + upload.fallbackKeys.length === 0
      if (!isEmpty) await writers.run(userId, () => database.transaction((tx) => write(context, tx, upload)))
      return keyCounts(userId, deviceId)
    },

    queryKeys: (users, viewer) => queryKeys(database, users, viewer),

    async claimKeys(wanted) {
      const triples = [...wanted].flatMap(([userId, devices]) =>
        [...devices].map(([deviceId, algorithm]) => ({ userId, deviceId, algorithm })),
      )
      const claimed = new Map<UserId, Map<DeviceId, JsonObject>>()
      if (triples.length === 0) return claimed
      for (const row of await claim(context, triples)) {
        const devices = claimed.get(row.user_id) ?? new Map<DeviceId, JsonObject>()
        claimed.set(row.user_id, devices)
        devices.set(row.device_id, { [`${row.algorithm}:${row.key_id}`]: parseStoredJson(row.content) })
      }
      return claimed
    },

    async changedBetween(candidates, after, upTo, viewer) {
      if (upTo <= after) return new Set()
      const changed = feed.changedSince(KEY_STREAMS.deviceLists, candidates, after)
      if (changed.length === 0) return new Set()
      const rows = await database.run(SELECT_DEVICE_LIST_CHANGES, changed, viewer ?? '', after)
      return new Set(rows.map((row) => row.user_id))
    },
  }
}

async function write(context: Context, tx: Transaction, upload: Upload): Promise<void> {
  const [countsChange, deviceChange] = await Promise.all([writeNamedKeys(tx, upload), writeDeviceKeys(tx, upload)])
  if (countsChange) {
    await announceKeyCounts(context, tx, () => [deviceStreamKey(upload.userId, upload.deviceId)])
  }
  if (deviceChange) await announceDeviceLists(context, tx, [{ userId: upload.userId }])
}

/** Returns whether they differ from what was there. Signatures on the former keys go. */
async function writeDeviceKeys(tx: Transaction, upload: Upload): Promise<boolean> {
  const { userId, deviceId, deviceKeys } = upload
  if (deviceKeys === undefined) return false
  const changed = await tx.run(UPSERT_DEVICE_KEYS, userId, deviceId, deviceKeys)
  if (changed.length === 0) return false
  await tx.run(DELETE_SIGNATURES_OF_KEYS, userId, [deviceId], [`ed25519:${deviceId}`])
  return true
}

/** Returns whether the counts change. @throws M_UNKNOWN for a key id that has another key, M_TOO_LARGE */
async function writeNamedKeys(tx: Transaction, upload: Upload): Promise<boolean> {
  const { userId, deviceId, oneTimeKeys, fallbackKeys } = upload
  const [fallbacks, added] = await Promise.all([
    fallbackKeys.length === 0 ? [] : tx.run(UPSERT_FALLBACK_KEYS, userId, deviceId, ...columnsOf(fallbackKeys)),
    oneTimeKeys.length === 0 ? 0 : addOneTimeKeys(tx, userId, deviceId, oneTimeKeys),
  ])
  return fallbacks.length + added > 0
}

async function addOneTimeKeys(
  tx: Transaction,
  userId: UserId,
  deviceId: DeviceId,
  keys: readonly NamedKey[],
): Promise<number> {
  const [algorithms, keyIds, contents] = columnsOf(keys)
  const [added, stored, counts] = await Promise.all([
    tx.run(INSERT_ONE_TIME_KEYS, userId, deviceId, algorithms, keyIds, contents),
    tx.run(SELECT_ONE_TIME_KEYS, userId, deviceId, algorithms, keyIds),
    tx.run(SELECT_KEY_COUNTS, userId, deviceId),
  ])
  const contentOf = new Map(stored.map((row) => [`${row.algorithm}:${row.key_id}`, row.content]))
  for (const { algorithm, keyId, content } of keys) {
    if (contentOf.get(`${algorithm}:${keyId}`) !== content) {
      throw new MatrixError('M_UNKNOWN', `One-time key ${algorithm}:${keyId} exists already and is another key`)
    }
  }
  if (added.length > 0 && counts.some((row) => row.one_time_keys > KEYS_PER_ALGORITHM)) {
    throw new MatrixError('M_TOO_LARGE', `A device may have ${KEYS_PER_ALGORITHM} one-time keys of an algorithm`)
  }
  return added.length
}

function columnsOf(keys: readonly NamedKey[]): [algorithms: string[], keyIds: string[], contents: string[]] {
  return [keys.map((key) => key.algorithm), keys.map((key) => key.keyId), keys.map((key) => key.content)]
}

function claim(
  context: Context,
  wanted: readonly { readonly userId: UserId; readonly deviceId: DeviceId; readonly algorithm: string }[],
) {
  return context.database.transaction(async (tx) => {
    let touched: string[] = []
    await announceKeyCounts(context, tx, () => touched)
    const rows = await tx.run(
      CLAIM_KEYS,
      wanted.map((key) => key.userId),
      wanted.map((key) => key.deviceId),
      wanted.map((key) => key.algorithm),
    )
    touched = rows.filter((row) => row.counts_changed).map((row) => deviceStreamKey(row.user_id, row.device_id))
    return rows
  })
}

function countsOf(rows: readonly KeyCountRow[]): KeyCounts {
  // Clients upload new keys when they see that they have none, so the algorithm that they all use is never left out.
  const oneTimeKeys = new Map([['signed_curve25519', 0]])
  for (const row of rows) if (row.one_time_keys > 0) oneTimeKeys.set(row.algorithm, row.one_time_keys)
  return {
    oneTimeKeys,
    unusedFallbackKeyAlgorithms: rows.filter((row) => row.has_unused_fallback).map((row) => row.algorithm),
  }
}
