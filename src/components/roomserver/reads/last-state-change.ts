import { LRUCache } from 'lru-cache'
import type { RoomId } from '../../../protocol/ids.js'
import type { RoomInternals } from '../internals.js'

const MAX_ROOMS = 20_000

/** Where on the clock the state of each room changed last, since the server was started. */
export class LastStateChange {
  /** Of what lies before nothing is known. Rises when rooms are evicted. */
  #floor: number
  readonly #last: LRUCache<RoomId, number>

  constructor(internals: RoomInternals) {
    this.#floor = internals.clock.visible
    this.#last = new LRUCache<RoomId, number>({
      max: MAX_ROOMS,
      dispose: (position, _room, reason) => {
        if (reason === 'evict') this.#floor = Math.max(this.#floor, position)
      },
    })
    internals.onCommitted((entries) => {
      for (const { roomId, position, stateChanges } of entries) {
        if (stateChanges.length > 0) this.#last.set(roomId, position)
      }
    })
  }

  /** True only when the current state of the room is what it was at the position. */
  unchangedSince(roomId: RoomId, position: number): boolean {
    return position >= this.#floor && (this.#last.get(roomId) ?? 0) <= position
  }
}
