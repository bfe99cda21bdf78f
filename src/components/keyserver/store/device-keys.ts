import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface DeviceKeysRow {
  readonly user_id: UserId
  readonly device_id: DeviceId
  readonly keys: string
}

export const SELECT_DEVICE_KEYS = statement<DeviceKeysRow, [userIds: readonly string[]]>(
  'keyserver.device_keys.select',
  'SELECT user_id, device_id, keys FROM keyserver.device_keys WHERE user_id = ANY ($1::text[])',
)

/** Nothing is returned, or written, when the keys are there already. */
export const UPSERT_DEVICE_KEYS = statement<{ device_id: DeviceId }, [userId: string, deviceId: string, keys: string]>(
  'keyserver.device_keys.upsert',
  `INSERT INTO keyserver.device_keys AS present (user_id, device_id, keys) VALUES ($1, $2, $3)
   ON CONFLICT (user_id, device_id) DO UPDATE SET keys = EXCLUDED.keys WHERE present.keys <> EXCLUDED.keys
   RETURNING device_id`,
)

export const DELETE_DEVICE_KEYS = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'keyserver.device_keys.delete',
  'DELETE FROM keyserver.device_keys WHERE user_id = $1 AND device_id = ANY ($2::text[])',
)

/** Devices of a user that anything is kept for. */
export const SELECT_KNOWN_DEVICES = statement<{ device_id: DeviceId }, [userId: string]>(
  'keyserver.device_keys.select_known',
  `SELECT device_id FROM keyserver.device_keys WHERE user_id = $1
   UNION SELECT device_id FROM keyserver.one_time_keys WHERE user_id = $1
   UNION SELECT device_id FROM keyserver.fallback_keys WHERE user_id = $1
   UNION SELECT device_id FROM keyserver.to_device WHERE user_id = $1`,
)

/** The next users, by id, with the devices that anything is kept for. */
export const SELECT_USERS_WITH_DEVICES = statement<
  { user_id: UserId; device_ids: DeviceId[] },
  [after: string, limit: number]
>(
  'keyserver.device_keys.select_page',
  `SELECT user_id, array_agg(DISTINCT device_id) AS device_ids
     FROM (SELECT user_id, device_id FROM keyserver.device_keys WHERE user_id > $1
           UNION SELECT user_id, device_id FROM keyserver.one_time_keys WHERE user_id > $1
           UNION SELECT user_id, device_id FROM keyserver.fallback_keys WHERE user_id > $1
           UNION SELECT user_id, device_id FROM keyserver.to_device WHERE user_id > $1) AS known
    GROUP BY user_id ORDER BY user_id LIMIT $2`,
)
