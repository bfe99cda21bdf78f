import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface DeviceRow {
  readonly device_id: DeviceId
  readonly display_name: string | null
  readonly last_seen_ts: number | null
  readonly last_seen_ip: string | null
  readonly last_seen_user_agent: string | null
}

/** A device that is there keeps its name (spec, login: `initial_device_display_name`). `made` is false for it. */
export const UPSERT_DEVICE = statement<
  { made: boolean },
  [
    userId: string,
    deviceId: string,
    displayName: string | null,
    now: number,
    clientAddress: string | null,
    userAgent: string | null,
  ]
>(
  'userapi.devices.upsert',
  `INSERT INTO userapi.devices
     (user_id, device_id, display_name, created_ts, last_seen_ts, last_seen_ip, last_seen_user_agent)
   VALUES ($1, $2, $3, $4, $4, $5, $6)
   ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_ts = EXCLUDED.last_seen_ts,
     last_seen_ip = coalesce(EXCLUDED.last_seen_ip, devices.last_seen_ip),
     last_seen_user_agent = coalesce(EXCLUDED.last_seen_user_agent, devices.last_seen_user_agent)
   RETURNING xmax = 0 AS made`,
)

export const SELECT_DEVICES = statement<DeviceRow, [userId: string]>(
  'userapi.devices.select_all',
  `SELECT device_id, display_name, last_seen_ts, last_seen_ip, last_seen_user_agent
     FROM userapi.devices WHERE user_id = $1 ORDER BY created_ts, device_id`,
)

export const SELECT_DEVICES_OF = statement<DeviceRow & { readonly user_id: UserId }, [userIds: readonly string[]]>(
  'userapi.devices.select_of_users',
  `SELECT user_id, device_id, display_name, last_seen_ts, last_seen_ip, last_seen_user_agent
     FROM userapi.devices WHERE user_id = ANY ($1::text[]) ORDER BY created_ts, device_id`,
)

export const SELECT_DEVICE = statement<DeviceRow, [userId: string, deviceId: string]>(
  'userapi.devices.select',
  `SELECT device_id, display_name, last_seen_ts, last_seen_ip, last_seen_user_agent
     FROM userapi.devices WHERE user_id = $1 AND device_id = $2`,
)

/** Holds off the end of its logins until the transaction ends. */
export const LOCK_DEVICE = statement<{ device_id: DeviceId }, [userId: string, deviceId: string]>(
  'userapi.devices.lock',
  'SELECT device_id FROM userapi.devices WHERE user_id = $1 AND device_id = $2 FOR SHARE',
)

export const UPDATE_DEVICE_NAME = statement<
  { device_id: DeviceId },
  [userId: string, deviceId: string, displayName: string | null]
>(
  'userapi.devices.update_name',
  'UPDATE userapi.devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2 RETURNING device_id',
)

export const DELETE_DEVICES = statement<{ device_id: DeviceId }, [userId: string, deviceIds: readonly string[]]>(
  'userapi.devices.delete',
  'DELETE FROM userapi.devices WHERE user_id = $1 AND device_id = ANY ($2::text[]) RETURNING device_id',
)

export const DELETE_OTHER_DEVICES = statement<{ device_id: DeviceId }, [userId: string, keep: string | null]>(
  'userapi.devices.delete_others',
  'DELETE FROM userapi.devices WHERE user_id = $1 AND device_id IS DISTINCT FROM $2 RETURNING device_id',
)

export const UPDATE_LAST_SEEN = statement<
  never,
  [
    userIds: readonly string[],
    deviceIds: readonly string[],
    times: readonly number[],
    addresses: readonly (string | null)[],
    userAgents: readonly (string | null)[],
  ]
>(
  'userapi.devices.update_last_seen',
  `UPDATE userapi.devices d
      SET last_seen_ts = s.ts, last_seen_ip = s.ip, last_seen_user_agent = s.agent
     FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
             AS u(user_id, device_id, ts, ip, agent) ORDER BY user_id, device_id) s
    WHERE d.user_id = s.user_id AND d.device_id = s.device_id`,
)
