import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database, Transaction } from '../../platform/database.js'
import type { KeyedQueue } from '../../platform/keyed-queue.js'
import type { Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import type { UserApi } from '../userapi/index.js'
import { KEY_STREAMS } from './api.js'
import type { KnownDevices } from './known-devices.js'
import { UPSERT_DEVICE_LIST_CHANGES } from './store/device-list-changes.js'

export interface KeyServerDeps {
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
  readonly userapi: Pick<UserApi, 'devicesOf' | 'isLocal'>
}

/** What the parts of the component share. */
export interface Context extends KeyServerDeps {
  readonly devices: KnownDevices
  /** Writers of one user's keys, one after the other; keyed by user id. */
  readonly writers: KeyedQueue
}

/** Key of the streams that concern one device. */
export function deviceStreamKey(userId: UserId, deviceId: DeviceId): string {
  return `${userId}\0${deviceId}`
}

/** A change of a user's keys; `viewer` when only they may know of it. */
export interface DeviceListChange {
  readonly userId: UserId
  readonly viewer?: UserId
}

/** Writes the changes as the last statement of the transaction and announces them once it has committed. */
export async function announceDeviceLists(
  context: Pick<Context, 'streamClock' | 'feed'>,
  tx: Transaction,
  changes: readonly DeviceListChange[],
): Promise<void> {
  const userIds = changes.map((change) => change.userId)
  const position = await context.streamClock.take(tx, 1)
  tx.afterCommit(() => context.feed.publish({ stream: KEY_STREAMS.deviceLists, position, keys: userIds }))
  await tx.run(
    UPSERT_DEVICE_LIST_CHANGES,
    userIds,
    changes.map((change) => change.viewer ?? ''),
    position,
  )
}

/** Takes a position for changed key counts of these devices; they are announced when the transaction has committed. */
export async function announceKeyCounts(
  context: Pick<Context, 'streamClock' | 'feed'>,
  tx: Transaction,
  deviceKeys: () => readonly string[],
): Promise<void> {
  const position = await context.streamClock.take(tx, 1)
  tx.afterCommit(() => {
    const keys = deviceKeys()
    if (keys.length > 0) context.feed.publish({ stream: KEY_STREAMS.keyCounts, position, keys })
  })
}
