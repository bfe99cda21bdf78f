import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

/** Keys that are there already stay as they are. */
export const INSERT_ONE_TIME_KEYS = statement<
  { key_id: string },
  [
    userId: string,
    deviceId: string,
    algorithms: readonly string[],
    keyIds: readonly string[],
    contents: readonly string[],
  ]
>(
  'keyserver.one_time_keys.insert',
  `INSERT INTO keyserver.one_time_keys (user_id, device_id, algorithm, key_id, content)
   SELECT $1, $2, algorithm, key_id, content
     FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS given(algorithm, key_id, content, place)
    ORDER BY place
   ON CONFLICT DO NOTHING RETURNING key_id`,
)

export const SELECT_ONE_TIME_KEYS = statement<
  { algorithm: string; key_id: string; content: string },
  [userId: string, deviceId: string, algorithms: readonly string[], keyIds: readonly string[]]
>(
  'keyserver.one_time_keys.select',
  `SELECT algorithm, key_id, content FROM keyserver.one_time_keys
     JOIN unnest($3::text[], $4::text[]) AS given(algorithm, key_id) USING (algorithm, key_id)
    WHERE user_id = $1 AND device_id = $2`,
)

export interface KeyCountRow {
  readonly algorithm: string
  readonly one_time_keys: number
  readonly has_unused_fallback: boolean
}

/** One row per algorithm that the device has a one-time key or an unused fallback key of. */
export const SELECT_KEY_COUNTS = statement<KeyCountRow, [userId: string, deviceId: string]>(
  'keyserver.one_time_keys.count',
  `SELECT algorithm, count(*) FILTER (WHERE NOT fallback) AS one_time_keys, bool_or(fallback) AS has_unused_fallback
     FROM (SELECT algorithm, false AS fallback FROM keyserver.one_time_keys WHERE user_id = $1 AND device_id = $2
           UNION ALL
           SELECT algorithm, true FROM keyserver.fallback_keys WHERE user_id = $1 AND device_id = $2 AND NOT used) AS keys
    GROUP BY algorithm ORDER BY algorithm`,
)

export interface ClaimedKeyRow {
  readonly user_id: UserId
  readonly device_id: DeviceId
  readonly algorithm: string
  readonly key_id: string
  readonly content: string
  /** What the owner is told of: one key fewer, or a fallback key used for the first time. */
  readonly counts_changed: boolean
}

/**
 * One key for each triple: the oldest one-time key that nobody else is taking at this moment, else the fallback key.
 * A key is deleted by the one who has its lock, so that it is given out once however many ask.
 */
export const CLAIM_KEYS = statement<
  ClaimedKeyRow,
  [userIds: readonly string[], deviceIds: readonly string[], algorithms: readonly string[]]
>(
  'keyserver.one_time_keys.claim',
  `WITH wanted AS MATERIALIZED (
     SELECT DISTINCT user_id, device_id, algorithm
       FROM unnest($1::text[], $2::text[], $3::text[]) AS given(user_id, device_id, algorithm)
   ), oldest AS MATERIALIZED (
     SELECT k.user_id, k.device_id, k.algorithm, k.key_id
       FROM wanted w CROSS JOIN LATERAL (
         SELECT o.user_id, o.device_id, o.algorithm, o.key_id FROM keyserver.one_time_keys o
          WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm
          ORDER BY o.uploaded LIMIT 1 FOR UPDATE SKIP LOCKED) AS k
   ), taken AS (
     DELETE FROM keyserver.one_time_keys k USING oldest o
      WHERE k.user_id = o.user_id AND k.device_id = o.device_id AND k.algorithm = o.algorithm AND k.key_id = o.key_id
     RETURNING k.user_id, k.device_id, k.algorithm, k.key_id, k.content
   ), fallback AS (
     SELECT f.user_id, f.device_id, f.algorithm, f.key_id, f.content, f.used
       FROM keyserver.fallback_keys f JOIN wanted USING (user_id, device_id, algorithm)
      WHERE NOT EXISTS (SELECT FROM taken t WHERE t.user_id = f.user_id AND t.device_id = f.device_id
                           AND t.algorithm = f.algorithm)
   ), marked AS (
     UPDATE keyserver.fallback_keys f SET used = true FROM fallback g
      WHERE f.user_id = g.user_id AND f.device_id = g.device_id AND f.algorithm = g.algorithm
        AND f.key_id = g.key_id AND NOT f.used
   )
   SELECT user_id, device_id, algorithm, key_id, content, true AS counts_changed FROM taken
   UNION ALL
   SELECT user_id, device_id, algorithm, key_id, content, NOT used FROM fallback`,
)

export const DELETE_ONE_TIME_KEYS = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'keyserver.one_time_keys.delete',
  'DELETE FROM keyserver.one_time_keys WHERE user_id = $1 AND device_id = ANY ($2::text[])',
)
