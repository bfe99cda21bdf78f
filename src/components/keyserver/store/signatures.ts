import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export interface SignatureRow {
  readonly target_user_id: UserId
  readonly target_key: string
  readonly signer: UserId
  readonly signing_key_id: string
  readonly signature: string
}

/** Users' signatures on their own keys, and those of the viewer. */
export const SELECT_SIGNATURES = statement<SignatureRow, [targets: readonly string[], viewer: string | null]>(
  'keyserver.signatures.select',
  `SELECT target_user_id, target_key, signer, signing_key_id, signature FROM keyserver.signatures
    WHERE target_user_id = ANY ($1::text[]) AND (signer = target_user_id OR signer = $2)`,
)

/** Returns those that are new. */
export const UPSERT_SIGNATURES = statement<
  { target_user_id: UserId },
  [
    signer: string,
    targetUserIds: readonly string[],
    targetKeys: readonly string[],
    signingKeyIds: readonly string[],
    signatures: readonly string[],
  ]
>(
  'keyserver.signatures.upsert',
  `INSERT INTO keyserver.signatures AS present (target_user_id, target_key, signer, signing_key_id, signature)
   SELECT target_user_id, target_key, $1, signing_key_id, signature
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
       AS given(target_user_id, target_key, signing_key_id, signature)
   ON CONFLICT (target_user_id, target_key, signer, signing_key_id) DO UPDATE SET signature = EXCLUDED.signature
    WHERE present.signature <> EXCLUDED.signature
   RETURNING target_user_id`,
)

/** On these keys of the user, by anybody, and by the user with these keys. */
export const DELETE_SIGNATURES_OF_KEYS = statement<
  never,
  [userId: string, keys: readonly string[], signingKeyIds: readonly string[]]
>(
  'keyserver.signatures.delete',
  `DELETE FROM keyserver.signatures
    WHERE (target_user_id = $1 AND target_key = ANY ($2::text[]))
       OR (signer = $1 AND signing_key_id = ANY ($3::text[]))`,
)
