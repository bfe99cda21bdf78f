import { authTypesFor } from '../auth/needed-state.js'
import { type StateMap, stateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import type { RoomVersion } from '../room-version.js'
import { type AuthEdges, walkAuthChain } from './auth-chain.js'
import { authDifference } from './auth-difference.js'
import { type Conflicts, separateConflicts } from './conflicts.js'
import type { ResolutionSource } from './source.js'

export interface ResolutionNeeds {
  /** Events to load, each with the events of its whole auth chain. */
  readonly chains: readonly EventId[]
  /** Events to load by themselves. */
  readonly events: readonly EventId[]
  /** Events of which only the edges are needed: their auth events, those events' auth events, and so on. */
  readonly edges: readonly EventId[]
}

/**
 * What a source still lacks before `resolveFrom` may be called for these state sets; undefined when nothing does.
 *
 * To be asked again after each load, until it answers undefined. An event that could not be loaded is named again and
 * again, and hides what would be asked for later, unless `source.isAbsent` tells: resolution goes on without it. With
 * loads that bring whole chains this takes at most three rounds, whatever the length of the chains. Most resolutions
 * never ask for `edges`, which are needed only to tell whether an event that one side cites is also behind the
 * undisputed state.
 */
export function resolutionNeeds(
  version: RoomVersion,
  stateSets: readonly StateMap<EventId>[],
  source: ResolutionSource,
): ResolutionNeeds | undefined {
  const needs = version.stateResolution === 'v1' ? needsOfV1(stateSets, source) : needsOfV2(version, stateSets, source)
  return needs.chains.length + needs.events.length + needs.edges.length > 0 ? needs : undefined
}

function needsOfV1(stateSets: readonly StateMap<EventId>[], source: ResolutionSource): ResolutionNeeds {
  const conflicts = separateConflicts(stateSets)
  const events = notLoaded(conflicts.conflicted, source)
  // A key that only some sets have is in conflict here, yet not for version 1: its event is among these all the same.
  if (events.length === 0) events.push(...neededUnconflicted(conflicts, conflicts.conflicted, source))
  return { chains: [], events, edges: [] }
}

function needsOfV2(
  version: RoomVersion,
  stateSets: readonly StateMap<EventId>[],
  source: ResolutionSource,
): ResolutionNeeds {
  const conflicts = separateConflicts(stateSets)
  if (conflicts.conflicted.size === 0) return { chains: [], events: [], edges: [] }
  const loaded = new Set<EventId>(conflicts.conflicted)
  const chains = chainsNotLoaded(conflicts.conflicted, source, loaded)
  const powerLevels = conflicts.unconflicted.get(stateTuple('m.room.power_levels', ''))
  // The mainline runs from it, unless version 2.1 leaves it out of the state that the ordering is based on.
  if (powerLevels && version.stateResolution === 'v2') {
    for (const id of chainsNotLoaded([powerLevels], source, loaded)) chains.add(id)
  }
  if (chains.size > 0) return { chains: [...chains], events: [], edges: [] }
  const { missing } = authDifference(conflicts, edgesOf(source))
  return { chains: [], events: [...neededUnconflicted(conflicts, loaded, source)], edges: missing }
}

function chainsNotLoaded(starts: Iterable<EventId>, source: ResolutionSource, loaded: Set<EventId>): Set<EventId> {
  const ids = [...starts]
  const missing = new Set<EventId>(notLoaded(ids, source))
  const withoutEdges = walkAuthChain(ids, edgesOf(source), (id) => {
    loaded.add(id)
    if (isLacking(id, source)) missing.add(id)
    return true
  })
  for (const id of withoutEdges) missing.add(id)
  return missing
}

/** Undisputed state that the checks of these events look at. */
function neededUnconflicted(
  { unconflicted }: Conflicts,
  checked: Iterable<EventId>,
  source: ResolutionSource,
): Set<EventId> {
  const needed = new Set<EventId>()
  const add = (type: string, stateKey: string): void => {
    const id = unconflicted.get(stateTuple(type, stateKey))
    if (id !== undefined && isLacking(id, source)) needed.add(id)
  }
  add('m.room.create', '')
  for (const id of checked) {
    const event = source.event(id)
    if (!event) continue
    for (const [type, stateKey] of authTypesFor(event)) add(type, stateKey)
  }
  return needed
}

function notLoaded(ids: Iterable<EventId>, source: ResolutionSource): EventId[] {
  const missing: EventId[] = []
  for (const id of ids) if (isLacking(id, source)) missing.push(id)
  return missing
}

function isLacking(id: EventId, source: ResolutionSource): boolean {
  return source.event(id) === undefined && source.isAbsent?.(id) !== true
}

function edgesOf(source: ResolutionSource): AuthEdges {
  return (id) => source.authEvents(id) ?? (source.isAbsent?.(id) === true ? [] : undefined)
}
