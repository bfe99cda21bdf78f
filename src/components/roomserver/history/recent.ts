import type { Cache } from '../../../platform/cache.js'
import type { RoomId } from '../../../protocol/ids.js'
import type { RoomInternals } from '../internals.js'

/** Events of a room that are remembered by their place. */
const REMEMBERED = 50

export interface Place {
  readonly nid: number
  readonly depth: number
  readonly position: number
}

interface Recent {
  /** Everything after this position is in `places`. */
  readonly after: number
  /** By position. */
  readonly places: readonly Place[]
}

/**
 * The ends of the timelines that have moved since the server was started. Everybody in a room asks for the same newest
 * events when one comes: they are answered from here.
 */
export class RecentEvents {
  readonly #recent: Cache<RoomId, Recent>

  constructor(internals: RoomInternals) {
    this.#recent = internals.cacheBudget.cache('roomserver.recent_events', ({ places }) => 100 + places.length * 80)
    internals.onCommitted((entries) => {
      for (const { roomId, position, event } of entries) {
        if (event !== undefined) this.#add(roomId, { nid: event.nid, depth: event.depth, position })
      }
    })
  }

  /** All events after the position, by position; undefined when it is further back than what is remembered. */
  since(roomId: RoomId, after: number): readonly Place[] | undefined {
    const recent = this.#recent.get(roomId)
    if (recent === undefined || recent.after > after) return undefined
    const first = recent.places.findIndex(({ position }) => position > after)
    return first === -1 ? [] : recent.places.slice(first)
  }

  #add(roomId: RoomId, place: Place): void {
    const known = this.#recent.peek(roomId) ?? { after: place.position - 1, places: [] }
    const dropped = known.places.length < REMEMBERED ? undefined : known.places[0]
    const places = dropped === undefined ? [...known.places, place] : [...known.places.slice(1), place]
    this.#recent.set(roomId, { after: dropped?.position ?? known.after, places })
  }
}
