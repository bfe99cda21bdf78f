import { statement } from '../../../platform/statement.js'

/** The same key again keeps its mark of being used, and returns nothing. */
export const UPSERT_FALLBACK_KEYS = statement<
  { algorithm: string },
  [
    userId: string,
    deviceId: string,
    algorithms: readonly string[],
    keyIds: readonly string[],
    contents: readonly string[],
  ]
>(
  'keyserver.fallback_keys.upsert',
  `INSERT INTO keyserver.fallback_keys AS present (user_id, device_id, algorithm, key_id, content)
   SELECT $1, $2, algorithm, key_id, content
     FROM unnest($3::text[], $4::text[], $5::text[]) AS given(algorithm, key_id, content)
   ON CONFLICT (user_id, device_id, algorithm)
   DO UPDATE SET key_id = EXCLUDED.key_id, content = EXCLUDED.content, used = false
    WHERE (present.key_id, present.content) IS DISTINCT FROM (EXCLUDED.key_id, EXCLUDED.content)
   RETURNING algorithm`,
)

export const DELETE_FALLBACK_KEYS = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'keyserver.fallback_keys.delete',
  'DELETE FROM keyserver.fallback_keys WHERE user_id = $1 AND device_id = ANY ($2::text[])',
)
