import type { Cache, CacheBudget } from '../../../platform/cache.js'
import type { DeviceId, RoomId, UserId } from '../../../protocol/ids.js'
import type { SyncView } from '../sync-view.js'

/** Members that a device knows of a room, with the token under which it was told. */
type Told = ReadonlyMap<UserId, number>

/** Of one room and device; whoever has met more is told of some again. */
const MAX_TOLD = 2_000

/**
 * Which member events lazy-loading clients have got already (CS API "Lazy-loading room members"). What was told under a
 * token is known only to a client that comes back with that token or a later one: after a lost answer, or when `since`
 * jumps back, members are told again.
 */
export class LazyMembers {
  readonly #told: Cache<string, Told>

  constructor(caches: CacheBudget) {
    this.#told = caches.cache<string, Told>(
      'syncapi.lazy_members',
      (told, key) => 100 + key.length * 2 + told.size * 120,
    )
  }

  knows(view: SyncView, roomId: RoomId, userId: UserId): boolean {
    if (view.confirmed === undefined || view.filter.state.redundantMembers) return false
    const at = this.#told.get(keyOf(view.requester.userId, view.requester.deviceId, roomId))?.get(userId)
    return at !== undefined && at <= view.confirmed
  }

  /** These are in the answer that is given under the view's end. `anew`: whatever the client knew before is gone. */
  tell(view: SyncView, roomId: RoomId, users: Iterable<UserId>, anew: boolean): void {
    const key = keyOf(view.requester.userId, view.requester.deviceId, roomId)
    const before = anew ? undefined : this.#told.peek(key)
    const added = [...users].filter((userId) => !isKnown(before?.get(userId), view.confirmed))
    if (added.length === 0 && !anew) return
    const told = new Map(before)
    for (const userId of added) {
      if (told.size >= MAX_TOLD) break
      told.set(userId, view.upTo)
    }
    this.#told.set(key, told)
  }
}

function isKnown(toldAt: number | undefined, confirmed: number | undefined): boolean {
  return toldAt !== undefined && confirmed !== undefined && toldAt <= confirmed
}

function keyOf(userId: UserId, deviceId: DeviceId, roomId: RoomId): string {
  return `${userId}\0${deviceId}\0${roomId}`
}
