import { powerLevelOf } from '../auth/power-levels.js'
import type { Pdu } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import { authStateOf } from './iterative-auth.js'
import { PriorityQueue } from './priority-queue.js'
import type { ResolutionSource } from './source.js'

interface Vertex {
  readonly id: EventId
  readonly senderLevel: number
  readonly originServerTs: number
  /** How many of its auth events in the set have not been put out yet. */
  waitingFor: number
  readonly citedBy: Vertex[]
}

/** A state event that might remove someone's ability to do something. Room version 2, "Power events". */
export function isPowerEvent(event: Pdu): boolean {
  if (event.stateKey === undefined) return false
  if (event.type === 'm.room.power_levels' || event.type === 'm.room.join_rules') return true
  if (event.type !== 'm.room.member' || event.sender === event.stateKey) return false
  const membership = event.content.membership
  return membership === 'leave' || membership === 'ban'
}

/**
 * The power events of a full conflicted set, with what is in their auth chains of that set: set X of step 1.
 *
 * SPEC-DEPARTURE: the text asks for all events of the auth chain that are in the full conflicted set. As in every
 * server that is deployed, a chain is followed only as long as it stays in the set: the two differ only when a chain
 * leaves the set and comes back, and there agreeing with the other servers of the room is worth more.
 */
export function powerEventsWithChains(fullConflicted: ReadonlySet<EventId>, source: ResolutionSource): Set<EventId> {
  const chosen = new Set<EventId>()
  const stack: EventId[] = []
  for (const id of fullConflicted) {
    const event = source.event(id)
    if (event && isPowerEvent(event)) stack.push(id)
  }
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (chosen.has(id)) continue
    chosen.add(id)
    for (const cited of source.authEvents(id) ?? []) if (fullConflicted.has(cited)) stack.push(cited)
  }
  return chosen
}

/**
 * Reverse topological power ordering: earliest first; where auth events leave a choice, the greater power level of the
 * sender, then the earlier time, then the smaller event id goes first. Room version 2, "Definitions". Events that cite
 * each other in a circle (room versions 1 and 2 do not make this impossible) are left out.
 */
export function sortByPower(ids: ReadonlySet<EventId>, create: Pdu | undefined, source: ResolutionSource): EventId[] {
  const ready = new PriorityQueue<Vertex>(goesBefore)
  for (const vertex of verticesOf(ids, create, source).values()) if (vertex.waitingFor === 0) ready.push(vertex)
  const sorted: EventId[] = []
  for (let vertex = ready.pop(); vertex !== undefined; vertex = ready.pop()) {
    sorted.push(vertex.id)
    for (const citing of vertex.citedBy) {
      citing.waitingFor -= 1
      if (citing.waitingFor === 0) ready.push(citing)
    }
  }
  return sorted
}

function verticesOf(
  ids: ReadonlySet<EventId>,
  create: Pdu | undefined,
  source: ResolutionSource,
): Map<EventId, Vertex> {
  const vertices = new Map<EventId, Vertex>()
  for (const id of ids) {
    const event = source.event(id)
    if (!event) continue
    const senderLevel = powerLevelOf(event.sender, authStateOf(event, create, source))
    vertices.set(id, { id, senderLevel, originServerTs: event.originServerTs, waitingFor: 0, citedBy: [] })
  }
  for (const vertex of vertices.values()) {
    for (const cited of new Set(source.authEvents(vertex.id) ?? [])) {
      const before = vertices.get(cited)
      if (!before) continue
      before.citedBy.push(vertex)
      vertex.waitingFor += 1
    }
  }
  return vertices
}

function goesBefore(a: Vertex, b: Vertex): boolean {
  // No subtraction: the level of a creator is infinite from room version 12 on.
  if (a.senderLevel !== b.senderLevel) return a.senderLevel > b.senderLevel
  if (a.originServerTs !== b.originServerTs) return a.originServerTs < b.originServerTs
  return a.id < b.id
}
