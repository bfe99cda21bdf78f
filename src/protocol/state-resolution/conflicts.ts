import type { StateMap, StateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'

export interface Conflicts {
  readonly unconflicted: Map<StateTuple, EventId>
  /** What each state set has of the conflicted keys, in the order of the sets. */
  readonly conflictedIn: readonly ReadonlySet<EventId>[]
  /** The conflicted state set: the union of the above. */
  readonly conflicted: ReadonlySet<EventId>
}

/**
 * The unconflicted state map and the conflicted state set. A key is unconflicted when every set has it with the same
 * event; a key that one set lacks is conflicted. Room version 2, "Definitions".
 */
export function separateConflicts(stateSets: readonly StateMap<EventId>[]): Conflicts {
  const unconflicted = new Map<StateTuple, EventId>()
  for (const [key, id] of stateSets[0] ?? [])
    if (stateSets.every((set) => set.get(key) === id)) unconflicted.set(key, id)
  const conflicted = new Set<EventId>()
  const conflictedIn = stateSets.map((set) => {
    const own = new Set<EventId>()
    for (const [key, id] of set) {
      if (unconflicted.has(key)) continue
      own.add(id)
      conflicted.add(id)
    }
    return own
  })
  return { unconflicted, conflictedIn, conflicted }
}
