import type { DeviceId, UserId } from '../../protocol/ids.js'

/** Keys of streams that are about a device of a user. */
export function deviceKey(userId: UserId, deviceId: DeviceId): string {
  return `${userId}\0${deviceId}`
}
