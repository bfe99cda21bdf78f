import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export type KeyUsage = 'master' | 'self_signing' | 'user_signing'

export interface CrossSigningKeyRow {
  readonly user_id: UserId
  readonly usage: KeyUsage
  readonly public_key: string
  readonly content: string
}

export const SELECT_CROSS_SIGNING_KEYS = statement<CrossSigningKeyRow, [userIds: readonly string[]]>(
  'keyserver.cross_signing_keys.select',
  'SELECT user_id, usage, public_key, content FROM keyserver.cross_signing_keys WHERE user_id = ANY ($1::text[])',
)

export const UPSERT_CROSS_SIGNING_KEYS = statement<
  never,
  [userId: string, usages: readonly string[], publicKeys: readonly string[], contents: readonly string[]]
>(
  'keyserver.cross_signing_keys.upsert',
  `INSERT INTO keyserver.cross_signing_keys (user_id, usage, public_key, content)
   SELECT $1, usage, public_key, content FROM unnest($2::text[], $3::text[], $4::text[]) AS given(usage, public_key, content)
   ON CONFLICT (user_id, usage) DO UPDATE SET public_key = EXCLUDED.public_key, content = EXCLUDED.content`,
)
