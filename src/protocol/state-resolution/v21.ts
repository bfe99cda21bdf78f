import type { StateMap, StateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import { authDifference } from './auth-difference.js'
import { conflictedSubgraph } from './conflicted-subgraph.js'
import { separateConflicts } from './conflicts.js'
import type { ResolutionSource } from './source.js'
import { resolveConflicted } from './v2.js'

/**
 * State resolution of room version 12 and later, "2.1": as in version 2, but the full conflicted set also has the
 * conflicted state subgraph, and the first auth checks start from an empty state. So an event is judged by what it
 * rests on, not by later state that happens to be undisputed. Room version 12, "State resolution".
 */
export function resolveV21(
  stateSets: readonly StateMap<EventId>[],
  source: ResolutionSource,
): Map<StateTuple, EventId> {
  const conflicts = separateConflicts(stateSets)
  if (conflicts.conflicted.size === 0) return conflicts.unconflicted
  const edges = (id: EventId): readonly EventId[] => source.authEvents(id) ?? []
  const { difference } = authDifference(conflicts, edges)
  const subgraph = conflictedSubgraph(conflicts.conflicted, edges)
  const fullConflicted = new Set([...conflicts.conflicted, ...difference, ...subgraph])
  return resolveConflicted(conflicts, fullConflicted, new Map(), source)
}
