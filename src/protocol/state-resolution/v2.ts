import { type Pdu, type StateMap, type StateTuple, stateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import { authDifference } from './auth-difference.js'
import { type Conflicts, separateConflicts } from './conflicts.js'
import { applyIteratively } from './iterative-auth.js'
import { sortByMainline } from './mainline-ordering.js'
import { powerEventsWithChains, sortByPower } from './power-ordering.js'
import type { ResolutionSource } from './source.js'

/**
 * State resolution of room versions 2 to 11. The numbers are the steps of room version 2, "Algorithm":
 * the full conflicted set is the conflicted state set and the auth difference, and the first auth checks start from the
 * unconflicted state.
 */
export function resolveV2(stateSets: readonly StateMap<EventId>[], source: ResolutionSource): Map<StateTuple, EventId> {
  const conflicts = separateConflicts(stateSets)
  if (conflicts.conflicted.size === 0) return conflicts.unconflicted
  const { difference } = authDifference(conflicts, (id) => source.authEvents(id) ?? [])
  const fullConflicted = new Set([...conflicts.conflicted, ...difference])
  return resolveConflicted(conflicts, fullConflicted, new Map(conflicts.unconflicted), source)
}

/** Steps 1 to 5, common to versions 2 and 2.1. Changes `state`, which is what step 2 starts from. */
export function resolveConflicted(
  { unconflicted }: Conflicts,
  fullConflicted: ReadonlySet<EventId>,
  state: Map<StateTuple, EventId>,
  source: ResolutionSource,
): Map<StateTuple, EventId> {
  const create = createOf(unconflicted, source)
  // 1. The power events and what of their chains is in conflict, in reverse topological power ordering.
  const powerEvents = powerEventsWithChains(fullConflicted, source)
  const sortedPowerEvents = sortByPower(powerEvents, create, source)
  // 2. Each is checked on top of the ones before it.
  applyIteratively(sortedPowerEvents, state, create, source)
  // 3. The rest, ordered along the history of the power levels that this gave.
  const rest = [...fullConflicted].filter((id) => !powerEvents.has(id))
  const sortedRest = sortByMainline(rest, state.get(stateTuple('m.room.power_levels', '')), source)
  // 4. And checked in that order.
  applyIteratively(sortedRest, state, create, source)
  // 5. What was never in conflict stays as it is.
  for (const [key, id] of unconflicted) state.set(key, id)
  return state
}

function createOf(unconflicted: ReadonlyMap<StateTuple, EventId>, source: ResolutionSource): Pdu | undefined {
  const id = unconflicted.get(stateTuple('m.room.create', ''))
  return id === undefined ? undefined : source.event(id)
}
