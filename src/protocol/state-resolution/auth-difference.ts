import type { EventId } from '../ids.js'
import { type AuthEdges, walkAuthChain } from './auth-chain.js'
import type { Conflicts } from './conflicts.js'

export interface AuthDifference {
  readonly difference: ReadonlySet<EventId>
  /** Ids whose auth events have to be loaded before `difference` is right. */
  readonly missing: readonly EventId[]
}

/**
 * The events that are in the full auth chain of some state set, but not of all. Room version 2, "Auth difference".
 *
 * An unconflicted event is in every set, so its chain is in every full chain: only chains of conflicted events can
 * differ. They are walked first and counted; what every set has is common, and so is all behind it. Only when
 * something is left are the unconflicted events walked, up to what is common.
 */
export function authDifference(conflicts: Conflicts, edges: AuthEdges): AuthDifference {
  const { candidates, common, missing } = countChains(conflicts, edges)
  if (missing.length > 0 || candidates.size === 0) return { difference: candidates, missing }
  const unloaded = walkAuthChain(conflicts.unconflicted.values(), edges, (id) => {
    candidates.delete(id)
    return candidates.size > 0 && !common.has(id)
  })
  // With nothing left to find, what could not be walked does not matter.
  return { difference: candidates, missing: candidates.size > 0 ? unloaded : [] }
}

function countChains(
  conflicts: Conflicts,
  edges: AuthEdges,
): { candidates: Set<EventId>; common: Set<EventId>; missing: EventId[] } {
  const counts = new Map<EventId, number>()
  const missing = new Set<EventId>()
  for (const own of conflicts.conflictedIn) {
    const unloaded = walkAuthChain(own, edges, (id) => {
      counts.set(id, (counts.get(id) ?? 0) + 1)
      return true
    })
    for (const id of unloaded) missing.add(id)
  }
  const candidates = new Set<EventId>()
  const common = new Set<EventId>()
  for (const [id, count] of counts) (count === conflicts.conflictedIn.length ? common : candidates).add(id)
  return { candidates, common, missing: [...missing] }
}
