import { createHash } from 'node:crypto'
import { checkAuth } from '../auth/check.js'
import type { AuthState } from '../auth/verdict.js'
import { type Pdu, type StateMap, type StateTuple, splitStateTuple, stateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import type { ResolutionSource } from './source.js'

/**
 * State resolution of room version 1: power levels, then join rules, then memberships, then everything else, each
 * checked against what was resolved before it. Unlike in version 2 a key that only some sets have is no conflict.
 */
export function resolveV1(stateSets: readonly StateMap<EventId>[], source: ResolutionSource): Map<StateTuple, EventId> {
  const { resolved, conflicts } = separate(stateSets)
  const passes: ((key: StateTuple) => boolean)[] = [
    (key) => key === stateTuple('m.room.power_levels', ''),
    (key) => splitStateTuple(key)[0] === 'm.room.join_rules',
    (key) => splitStateTuple(key)[0] === 'm.room.member',
  ]
  for (const belongs of passes) {
    const winners = new Map<StateTuple, EventId>()
    for (const [key, ids] of conflicts) {
      if (!belongs(key)) continue
      conflicts.delete(key)
      const winner = lastAllowedInARow(eventsOf(ids, source), resolved, source)
      if (winner) winners.set(key, winner)
    }
    // Only after the pass: conflicts of the same kind must not see each other, or their order would matter.
    for (const [key, id] of winners) resolved.set(key, id)
  }
  const state = stateOf(resolved, source)
  const rest = new Map<StateTuple, EventId>()
  for (const [key, ids] of conflicts) {
    const winner = eventsOf(ids, source).findLast((event) => checkAuth(event, state).allowed)
    if (winner) rest.set(key, winner.eventId)
  }
  for (const [key, id] of rest) resolved.set(key, id)
  return resolved
}

function separate(stateSets: readonly StateMap<EventId>[]): {
  resolved: Map<StateTuple, EventId>
  conflicts: Map<StateTuple, Set<EventId>>
} {
  const resolved = new Map<StateTuple, EventId>()
  const conflicts = new Map<StateTuple, Set<EventId>>()
  for (const set of stateSets) {
    for (const [key, id] of set) {
      const other = resolved.get(key)
      const ids = conflicts.get(key)
      if (ids) ids.add(id)
      else if (other === undefined) resolved.set(key, id)
      else if (other !== id) {
        resolved.delete(key)
        conflicts.set(key, new Set([other, id]))
      }
    }
  }
  return { resolved, conflicts }
}

/** By ascending depth, then descending SHA-1 of the event id. */
function eventsOf(ids: Iterable<EventId>, source: ResolutionSource): Pdu[] {
  const entries: { event: Pdu; hash: string }[] = []
  for (const id of ids) {
    const event = source.event(id)
    if (event) entries.push({ event, hash: createHash('sha1').update(id).digest('hex') })
  }
  entries.sort((a, b) => (a.event.depth !== b.event.depth ? a.event.depth - b.event.depth : a.hash > b.hash ? -1 : 1))
  return entries.map((entry) => entry.event)
}

/** The first is taken unseen; each next one replaces it if it is allowed on top, and the first that is not ends it. */
function lastAllowedInARow(
  events: readonly Pdu[],
  resolved: ReadonlyMap<StateTuple, EventId>,
  source: ResolutionSource,
): EventId | undefined {
  const base = stateOf(resolved, source)
  let current: Pdu | undefined
  const state: AuthState = {
    get: (type, stateKey) =>
      current?.type === type && current.stateKey === stateKey ? current : base.get(type, stateKey),
  }
  for (const event of events) {
    if (current && !checkAuth(event, state).allowed) break
    current = event
  }
  return current?.eventId
}

function stateOf(resolved: ReadonlyMap<StateTuple, EventId>, source: ResolutionSource): AuthState {
  return {
    get: (type, stateKey) => {
      const id = resolved.get(stateTuple(type, stateKey))
      return id === undefined ? undefined : source.event(id)
    },
  }
}
