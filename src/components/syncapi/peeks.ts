import { LoadingCache } from '../../platform/loading-cache.js'
import { historyVisibilityIn } from '../../protocol/event/content.js'
import type { DeviceId, RoomId, UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RoomServer } from '../roomserver/index.js'
import type { Requester } from '../userapi/index.js'
import { deviceKey } from './device-key.js'
import { DELETE_PEEK, DELETE_PEEKS_OF_OTHERS, INSERT_PEEK, SELECT_PEEKERS, SELECT_PEEKS } from './store/peeks.js'
import type { SyncApiDeps } from './sync-view.js'

/** Rooms a device looks into, with when each peek began. */
export type PeekedRooms = ReadonlyMap<RoomId, number>

/** Topic of the bus, keyed like a device; the feed's stream of the same name is keyed by user. */
export const PEEKS = 'peeks'

const MOST_PEEKS = 50
const NO_ROOMS: PeekedRooms = new Map()

/** Peeking (MSC2753): a device follows a world-readable room that its user is not in. In memory for devices that sync. */
export class Peeks {
  readonly #deps: SyncApiDeps
  readonly #known: LoadingCache<string, PeekedRooms>
  /** Users with a device that has peeked: few, and for all others there is nothing to ask the database. */
  readonly #peekers = new Set<UserId>()

  constructor(deps: SyncApiDeps) {
    this.#deps = deps
    this.#known = new LoadingCache<string, PeekedRooms>(
      deps.caches.cache('syncapi.peeks', (rooms, key) => 100 + key.length * 2 + rooms.size * 150),
      async (keys) => {
        const loaded = new Map<string, PeekedRooms>()
        for (const key of keys) loaded.set(key, await this.#load(key))
        return loaded
      },
    )
    deps.bus.subscribe(PEEKS, (keys) => this.#known.invalidate(keys))
  }

  async start(): Promise<void> {
    for (const { user_id } of await this.#deps.database.run(SELECT_PEEKERS)) this.#peekers.add(user_id)
  }

  async of(userId: UserId, deviceId: DeviceId): Promise<PeekedRooms> {
    if (!this.#peekers.has(userId)) return NO_ROOMS
    return (await this.#known.get(deviceKey(userId, deviceId))) ?? NO_ROOMS
  }

  /** @throws MatrixError M_FORBIDDEN when not everybody may look, or the device looks into too many rooms */
  async begin({ userId, deviceId }: Requester, roomId: RoomId): Promise<void> {
    const { database, streamClock, userapi } = this.#deps
    if (!(await isOpen(this.#deps.roomserver, roomId))) {
      throw new MatrixError('M_FORBIDDEN', 'Only rooms whose history is world-readable can be peeked into')
    }
    const known = await this.of(userId, deviceId)
    if (known.has(roomId)) return
    if (known.size >= MOST_PEEKS) throw new MatrixError('M_FORBIDDEN', `A device may peek into ${MOST_PEEKS} rooms`)
    const devices = await userapi.devices(userId)
    await database.transaction(async (tx) => {
      await tx.run(
        DELETE_PEEKS_OF_OTHERS,
        userId,
        devices.map((device) => device.deviceId),
      )
      const position = await streamClock.take(tx, 1)
      tx.afterCommit(() => this.#changed(userId, deviceId, position))
      await tx.run(INSERT_PEEK, userId, deviceId, roomId, position)
    })
  }

  async end({ userId, deviceId }: Requester, roomId: RoomId): Promise<void> {
    await this.#deps.database.run(DELETE_PEEK, userId, deviceId, roomId)
    this.#deps.bus.publish(PEEKS, [deviceKey(userId, deviceId)])
  }

  #changed(userId: UserId, deviceId: DeviceId, position: number): void {
    this.#peekers.add(userId)
    this.#deps.bus.publish(PEEKS, [deviceKey(userId, deviceId)])
    this.#deps.feed.publish({ stream: PEEKS, position, keys: [userId] })
  }

  async #load(key: string): Promise<PeekedRooms> {
    const end = key.indexOf('\0')
    const [userId, deviceId] = [key.slice(0, end) as UserId, key.slice(end + 1) as DeviceId]
    const rows = await this.#deps.database.run(SELECT_PEEKS, userId, deviceId)
    return new Map(rows.map((row) => [row.room_id, row.position]))
  }
}

async function isOpen(roomserver: RoomServer, roomId: RoomId): Promise<boolean> {
  return (await openRooms(roomserver, [roomId])).has(roomId)
}

/** Those of the rooms that everybody may look into now. */
export async function openRooms(
  roomserver: Pick<RoomServer, 'currentState'>,
  roomIds: readonly RoomId[],
): Promise<Set<RoomId>> {
  const open = new Set<RoomId>()
  if (roomIds.length === 0) return open
  for (const [roomId, events] of await roomserver.currentState(roomIds, [['m.room.history_visibility', '']])) {
    if (events[0] !== undefined && historyVisibilityIn(events[0].content) === 'world_readable') open.add(roomId)
  }
  return open
}
