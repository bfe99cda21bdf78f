import { readFileSync } from 'node:fs'
import type { Config } from '../../../config/schema.js'
import type { Clock } from '../../../platform/time.js'
import type { ServerName } from '../../../protocol/ids.js'
import type { JsonObject } from '../../../protocol/json.js'
import { parseKeyPem, type SigningKey, signJson } from '../../../protocol/signing.js'

/** A key that this server once signed with. */
export interface RetiredKey {
  readonly keyId: string
  /** Base64. */
  readonly publicKey: string
  /** Milliseconds since 1970. */
  readonly expiredTs: number
}

/** `global.old_private_keys`. @throws Error that names the file that cannot be read */
export function retiredKeys(config: Pick<Config, 'global'>): RetiredKey[] {
  return config.global.old_private_keys.map((old): RetiredKey => {
    const expiredTs = old.expired_at
    if (old.private_key === '') return { keyId: old.key_id, publicKey: old.public_key.replace(/=+$/, ''), expiredTs }
    try {
      const { keyId, publicKey } = parseKeyPem(readFileSync(old.private_key, 'utf8'))
      return { keyId: old.key_id === '' ? keyId : old.key_id, publicKey, expiredTs }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`global.old_private_keys: ${old.private_key} cannot be used: ${why}`, { cause: error })
    }
  })
}

export interface OwnKeysDeps {
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly retired: readonly RetiredKey[]
  readonly time: Clock
  /** `global.key_validity_period`. */
  readonly validityMs: number
}

/** Others ask again for what ends within the hour. */
const SHORTEST_VALIDITY_MS = 2 * 3_600_000

/** SS "Publishing Keys". The object is signed anew when half of its validity is over. */
export function ownKeyPublisher(deps: OwnKeysDeps): () => JsonObject {
  const { serverName, signingKey, retired, time } = deps
  const validityMs = Math.max(deps.validityMs, SHORTEST_VALIDITY_MS)
  let published: JsonObject | undefined
  let signedAt = 0
  return () => {
    const now = time.now()
    if (published === undefined || now < signedAt || now - signedAt > validityMs / 2) {
      signedAt = now
      const old = retired.filter(({ keyId }) => keyId !== signingKey.keyId)
      published = signJson(
        {
          server_name: serverName,
          verify_keys: { [signingKey.keyId]: { key: signingKey.publicKey } },
          old_verify_keys: Object.fromEntries(
            old.map(({ keyId, publicKey, expiredTs }) => [keyId, { key: publicKey, expired_ts: expiredTs }]),
          ),
          valid_until_ts: now + validityMs,
        },
        serverName,
        signingKey,
      )
    }
    return published
  }
}
