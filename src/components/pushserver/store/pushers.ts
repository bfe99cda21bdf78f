import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

export interface PusherRow {
  readonly pusher_id: number
  readonly user_id: UserId
  readonly app_id: string
  readonly pushkey: string
  readonly device_id: DeviceId
  readonly shown: string
  readonly data: string
  readonly enabled: boolean
  readonly updated_ts: number
  readonly failures: number
  readonly retry_ts: number
}

const COLUMNS = `pusher_id, user_id, app_id, pushkey, device_id, shown, data, enabled, updated_ts, failures, retry_ts`

export const SELECT_PUSHERS = statement<PusherRow, [userId: string]>(
  'pushserver.pushers.select',
  `SELECT ${COLUMNS} FROM pushserver.pushers WHERE user_id = $1 ORDER BY pusher_id`,
)

/** Those of these users, to see whose devices are gone. */
export const SELECT_PUSHERS_OF = statement<PusherRow, [userIds: readonly string[]]>(
  'pushserver.pushers.select_of',
  `SELECT ${COLUMNS} FROM pushserver.pushers WHERE user_id = ANY ($1::text[])`,
)

/** `busy` are left out: somebody is at them. */
export const SELECT_DUE = statement<PusherRow, [now: number, busy: readonly number[], limit: number]>(
  'pushserver.pushers.select_due',
  `SELECT ${COLUMNS} FROM pushserver.pushers AS pusher
    WHERE retry_ts <= $1 AND NOT (pusher_id = ANY ($2::bigint[]))
      AND EXISTS (SELECT FROM pushserver.owed_pushes AS owed WHERE owed.pusher_id = pusher.pusher_id)
    ORDER BY retry_ts, pusher_id LIMIT $3`,
)

/** A pusher that is there begins anew: what it failed at is forgotten. */
export const UPSERT_PUSHER = statement<
  { pusher_id: number },
  [
    userId: string,
    appId: string,
    pushkey: string,
    deviceId: string,
    shown: string,
    data: string,
    enabled: boolean,
    now: number,
  ]
>(
  'pushserver.pushers.upsert',
  `INSERT INTO pushserver.pushers (user_id, app_id, pushkey, device_id, shown, data, enabled, updated_ts)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
   ON CONFLICT (user_id, app_id, pushkey) DO UPDATE
     SET device_id = excluded.device_id, shown = excluded.shown, data = excluded.data, enabled = excluded.enabled,
         updated_ts = excluded.updated_ts, failures = 0, retry_ts = 0
   RETURNING pusher_id`,
)

export const SET_PUSHER_RETRY = statement<never, [pusherId: number, failures: number, retryTs: number]>(
  'pushserver.pushers.set_retry',
  'UPDATE pushserver.pushers SET failures = $2, retry_ts = $3 WHERE pusher_id = $1',
)

/** After a start everybody is tried once: what was wrong may have been on this side. */
export const END_PAUSES = statement<never>(
  'pushserver.pushers.end_pauses',
  'UPDATE pushserver.pushers SET retry_ts = 0 WHERE retry_ts > 0',
)

export const DELETE_PUSHER = statement<never, [userId: string, appId: string, pushkey: string]>(
  'pushserver.pushers.delete',
  'DELETE FROM pushserver.pushers WHERE user_id = $1 AND app_id = $2 AND pushkey = $3',
)

/** The same app on the same device has another user now. */
export const DELETE_PUSHER_OF_OTHERS = statement<never, [userId: string, appId: string, pushkey: string]>(
  'pushserver.pushers.delete_of_others',
  'DELETE FROM pushserver.pushers WHERE user_id <> $1 AND app_id = $2 AND pushkey = $3',
)

/** Only while they still belong to that device and key: they may have been set anew in the meantime. */
export const DELETE_PUSHERS = statement<
  never,
  [pusherIds: readonly number[], deviceIds: readonly string[], updatedTs: readonly number[]]
>(
  'pushserver.pushers.delete_ids',
  `DELETE FROM pushserver.pushers AS pusher
    USING unnest($1::bigint[], $2::text[], $3::bigint[]) AS gone (pusher_id, device_id, updated_ts)
    WHERE pusher.pusher_id = gone.pusher_id AND pusher.device_id = gone.device_id
      AND pusher.updated_ts = gone.updated_ts`,
)
