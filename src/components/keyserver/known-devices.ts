import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import { USER_STREAMS, type UserApi } from '../userapi/index.js'
import { type Aged, FreshCache } from './fresh-cache.js'

/** The devices of users of this server, as userapi has them; in memory while nothing has changed. */
export interface KnownDevices {
  /** Users without devices are there with none. At most one statement; none when warm. */
  of(userIds: Iterable<UserId>): Promise<ReadonlyMap<UserId, ReadonlySet<DeviceId>>>
}

export function createKnownDevices(deps: {
  readonly userapi: Pick<UserApi, 'devicesOf' | 'isLocal'>
  readonly caches: CacheBudget
  readonly feed: ChangeFeed
  readonly streamClock: StreamClock
}): KnownDevices {
  const { userapi, caches, feed, streamClock } = deps
  const sizeOf = ({ value }: Aged<ReadonlySet<DeviceId>>) => 200 + value.size * 80
  const bytes = caches.cache<UserId, Aged<ReadonlySet<DeviceId>>>('keyserver.devices', sizeOf)
  const cache = new FreshCache(bytes, USER_STREAMS.devices, feed, streamClock)

  const load = async (userIds: readonly UserId[]): Promise<Map<UserId, ReadonlySet<DeviceId>>> => {
    const devices = await userapi.devicesOf(userIds)
    return new Map(userIds.map((userId) => [userId, new Set(devices.get(userId)?.map((device) => device.deviceId))]))
  }

  return {
    of: (userIds) =>
      cache.getMany(
        [...userIds].filter((userId) => userapi.isLocal(userId)),
        load,
      ),
  }
}
