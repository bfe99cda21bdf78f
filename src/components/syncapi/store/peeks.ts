import { statement } from '../../../platform/statement.js'
import type { DeviceId, RoomId, UserId } from '../../../protocol/ids.js'

export interface PeekRow {
  readonly room_id: RoomId
  readonly position: number
}

export const SELECT_PEEKS = statement<PeekRow, [userId: UserId, deviceId: DeviceId]>(
  'syncapi.peeks.select',
  'SELECT room_id, position FROM syncapi.peeks WHERE user_id = $1 AND device_id = $2',
)

export const SELECT_PEEKERS = statement<{ readonly user_id: UserId }>(
  'syncapi.peeks.select_peekers',
  'SELECT DISTINCT user_id FROM syncapi.peeks',
)

export const INSERT_PEEK = statement<
  { readonly room_id: RoomId },
  [userId: UserId, deviceId: DeviceId, roomId: RoomId, position: number]
>(
  'syncapi.peeks.insert',
  `INSERT INTO syncapi.peeks (user_id, device_id, room_id, position) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING RETURNING room_id`,
)

export const DELETE_PEEK = statement<never, [userId: UserId, deviceId: DeviceId, roomId: RoomId]>(
  'syncapi.peeks.delete',
  'DELETE FROM syncapi.peeks WHERE user_id = $1 AND device_id = $2 AND room_id = $3',
)

/** Those of devices that are no more. */
export const DELETE_PEEKS_OF_OTHERS = statement<never, [userId: UserId, deviceIds: readonly string[]]>(
  'syncapi.peeks.delete_of_others',
  'DELETE FROM syncapi.peeks WHERE user_id = $1 AND NOT device_id = ANY($2::text[])',
)
