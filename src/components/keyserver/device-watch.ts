import type { Loop } from '../../platform/loop.js'
import { type DeviceId, parseUserId, type UserId } from '../../protocol/ids.js'
import { USER_STREAMS } from '../userapi/index.js'
import { announceDeviceLists, announceKeyCounts, type Context, deviceStreamKey } from './context.js'
import { DELETE_DEVICE_KEYS, SELECT_KNOWN_DEVICES, SELECT_USERS_WITH_DEVICES } from './store/device-keys.js'
import { DELETE_FALLBACK_KEYS } from './store/fallback-keys.js'
import { DELETE_ONE_TIME_KEYS } from './store/one-time-keys.js'
import { DELETE_SIGNATURES_OF_KEYS } from './store/signatures.js'
import { DELETE_TO_DEVICE } from './store/to-device.js'
import { DELETE_OLD_TO_DEVICE_TRANSACTIONS } from './store/to-device-transactions.js'

const DAY_MS = 86_400_000
const USERS_PER_PAGE = 200

/** Follows the devices of userapi: what is kept for a device goes with it, and every change of the list is announced. */
export interface DeviceWatch {
  start(): void
  stop(): Promise<void>
}

export function createDeviceWatch(context: Context): DeviceWatch {
  const { database, feed, loops, time, userapi, writers } = context
  const changed = new Set<UserId>()
  const running: Loop[] = []
  let unsubscribe: (() => void) | undefined

  /** Reads what is kept before it reads what there is, so that a device made in between is never taken for a deleted one. */
  const follow = (userId: UserId): Promise<void> =>
    writers.run(userId, async () => {
      const known = await database.run(SELECT_KNOWN_DEVICES, userId)
      const present = new Set((await userapi.devicesOf([userId])).get(userId)?.map((device) => device.deviceId))
      const gone = known.map((row) => row.device_id).filter((deviceId) => !present.has(deviceId))
      await database.transaction(async (tx) => {
        if (gone.length > 0) {
          await Promise.all([
            ...[DELETE_DEVICE_KEYS, DELETE_ONE_TIME_KEYS, DELETE_FALLBACK_KEYS, DELETE_TO_DEVICE].map((statement) =>
              tx.run(statement, userId, gone),
            ),
            tx.run(DELETE_SIGNATURES_OF_KEYS, userId, gone, gone.map(signingKeyId)),
          ])
          await announceKeyCounts(context, tx, () => gone.map((deviceId) => deviceStreamKey(userId, deviceId)))
        }
        await announceDeviceLists(context, tx, [{ userId }])
      })
    })

  const followChanged = async (signal: AbortSignal): Promise<void> => {
    for (const userId of changed) {
      if (signal.aborted) return
      changed.delete(userId)
      try {
        await follow(userId)
      } catch (error) {
        changed.add(userId)
        throw error
      }
    }
  }

  /** Finds what a crash between the deletion of a device and that of its keys has left behind. */
  const findLeftovers = async (signal: AbortSignal): Promise<void> => {
    await database.run(DELETE_OLD_TO_DEVICE_TRANSACTIONS, time.now() - DAY_MS)
    let after = ''
    while (!signal.aborted) {
      const page = await database.run(SELECT_USERS_WITH_DEVICES, after, USERS_PER_PAGE)
      const devices = await userapi.devicesOf(
        page.map((row) => row.user_id).filter((userId) => userapi.isLocal(userId)),
      )
      for (const { user_id: userId, device_ids: known } of page) {
        const present = new Set(devices.get(userId)?.map((device) => device.deviceId))
        if (userapi.isLocal(userId) && known.some((deviceId) => !present.has(deviceId))) changed.add(userId)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < USERS_PER_PAGE) break
      after = last.user_id
    }
    await followChanged(signal)
  }

  return {
    start() {
      const options = { owner: 'keyserver', intervalMs: DAY_MS }
      const follower = loops.start({ ...options, name: 'keyserver.devices', body: followChanged })
      running.push(
        follower,
        loops.start({ ...options, name: 'keyserver.leftovers', body: findLeftovers, immediately: true }),
      )
      unsubscribe = feed.subscribe((changes) => {
        const devices = changes.filter((change) => change.stream === USER_STREAMS.devices)
        if (devices.length === 0) return
        for (const userId of devices.flatMap((change) => change.keys).map((key) => parseUserId(key))) {
          if (userId !== undefined) changed.add(userId)
        }
        follower.wake()
      })
    },

    async stop() {
      unsubscribe?.()
      await Promise.all(running.map((loop) => loop.stop()))
    },
  }
}

function signingKeyId(deviceId: DeviceId): string {
  return `ed25519:${deviceId}`
}
