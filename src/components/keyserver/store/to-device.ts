import { statement } from '../../../platform/statement.js'
import type { DeviceId, UserId } from '../../../protocol/ids.js'

/** A device whose queue has `bound` messages gets no more. Returns who got one. */
export const INSERT_TO_DEVICE = statement<
  { user_id: UserId; device_id: DeviceId },
  [
    userIds: readonly string[],
    deviceIds: readonly string[],
    messages: readonly string[],
    position: number,
    bound: number,
  ]
>(
  'keyserver.to_device.insert',
  `INSERT INTO keyserver.to_device (user_id, device_id, position, message)
   SELECT user_id, device_id, $4::bigint, message FROM unnest($1::text[], $2::text[], $3::text[]) AS given(user_id, device_id, message)
    WHERE NOT EXISTS (SELECT FROM keyserver.to_device queue
                       WHERE queue.user_id = given.user_id AND queue.device_id = given.device_id
                      OFFSET $5::bigint - 1 LIMIT 1)
   RETURNING user_id, device_id`,
)

export const SELECT_TO_DEVICE = statement<
  { position: number; message: string },
  [userId: string, deviceId: string, after: number, upTo: number, limit: number]
>(
  'keyserver.to_device.select',
  `SELECT position, message FROM keyserver.to_device
    WHERE user_id = $1 AND device_id = $2 AND position > $3 AND position <= $4 ORDER BY position LIMIT $5`,
)

export const DELETE_TO_DEVICE_UP_TO = statement<never, [userId: string, deviceId: string, upTo: number]>(
  'keyserver.to_device.delete_up_to',
  'DELETE FROM keyserver.to_device WHERE user_id = $1 AND device_id = $2 AND position <= $3',
)

export const DELETE_TO_DEVICE = statement<never, [userId: string, deviceIds: readonly string[]]>(
  'keyserver.to_device.delete',
  'DELETE FROM keyserver.to_device WHERE user_id = $1 AND device_id = ANY ($2::text[])',
)
