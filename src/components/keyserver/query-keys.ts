import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Executor } from '../../platform/database.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject, parseStoredJson } from '../../protocol/json.js'
import { withSignature } from '../../protocol/signing.js'
import type { QueriedKeys } from './api.js'
import { SELECT_CROSS_SIGNING_KEYS } from './store/cross-signing-keys.js'
import { SELECT_DEVICE_KEYS } from './store/device-keys.js'
import { SELECT_SIGNATURES, type SignatureRow } from './store/signatures.js'

/** Rows that are parsed without letting others in between: some 10 ms. A big room has tens of thousands of devices. */
const ROWS_PER_SLICE = 500

/** Three statements however many users. */
export async function queryKeys(
  executor: Executor,
  users: ReadonlyMap<UserId, readonly DeviceId[]>,
  viewer: UserId | undefined,
): Promise<QueriedKeys> {
  const found = {
    deviceKeys: new Map<UserId, Map<DeviceId, JsonObject>>(),
    masterKeys: new Map<UserId, JsonObject>(),
    selfSigningKeys: new Map<UserId, JsonObject>(),
    userSigningKeys: new Map<UserId, JsonObject>(),
  }
  if (users.size === 0) return found
  const userIds = [...users.keys()]
  const [devices, crossSigning, signatureRows] = await Promise.all([
    executor.run(SELECT_DEVICE_KEYS, userIds),
    executor.run(SELECT_CROSS_SIGNING_KEYS, userIds),
    executor.run(SELECT_SIGNATURES, userIds, viewer ?? null),
  ])
  const signatures = new Signatures(signatureRows)
  for (const [index, row] of devices.entries()) {
    if (index % ROWS_PER_SLICE === ROWS_PER_SLICE - 1) await nextTurn()
    const asked = users.get(row.user_id) ?? []
    if (asked.length > 0 && !asked.includes(row.device_id)) continue
    const ofUser = found.deviceKeys.get(row.user_id) ?? new Map<DeviceId, JsonObject>()
    found.deviceKeys.set(row.user_id, ofUser)
    ofUser.set(row.device_id, signatures.addTo(parseKey(row.keys), row.user_id, row.device_id))
  }
  for (const row of crossSigning) {
    const key = parseKey(row.content)
    if (row.usage === 'master') {
      found.masterKeys.set(row.user_id, signatures.addTo(key, row.user_id, row.public_key))
    } else if (row.usage === 'self_signing') {
      found.selfSigningKeys.set(row.user_id, key)
    } else if (row.user_id === viewer) {
      found.userSigningKeys.set(row.user_id, key)
    }
  }
  return found
}

export function parseKey(text: string): JsonObject {
  const key = parseStoredJson(text)
  if (!isJsonObject(key)) throw new TypeError('a stored key is not an object')
  return key
}

class Signatures {
  readonly #byTarget = new Map<string, SignatureRow[]>()

  constructor(rows: readonly SignatureRow[]) {
    for (const row of rows) {
      const target = `${row.target_user_id}\0${row.target_key}`
      const ofTarget = this.#byTarget.get(target)
      if (ofTarget === undefined) this.#byTarget.set(target, [row])
      else ofTarget.push(row)
    }
  }

  addTo(key: JsonObject, userId: UserId, targetKey: string): JsonObject {
    const rows = this.#byTarget.get(`${userId}\0${targetKey}`) ?? []
    return rows.reduce((signed, row) => withSignature(signed, row.signer, row.signing_key_id, row.signature), key)
  }
}
