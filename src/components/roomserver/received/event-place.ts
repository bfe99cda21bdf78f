/** Where an event from elsewhere stands in the room: the state before it, and the room after it. */
import { type StateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { EventId } from '../../../protocol/ids.js'
import type { Facts } from '../facts.js'
import { type StoredEvent, VERDICT } from '../room-event.js'
import type { Extremity, RoomHead } from '../state/room-head.js'
import type { LoadedState, ResolvableEvent, StateEntry, StateLoader } from '../state/state-loader.js'

/** A state, and the snapshot that the store can tell it from. */
export interface BasedState {
  readonly state: LoadedState
  /** A snapshot with nearly the same state. */
  readonly baseId: number
  readonly base: LoadedState
}

/** The state after an event that is here: a rejected one changes nothing. */
export function stateAfter(event: StoredEvent, before: LoadedState): LoadedState {
  if (event.stateKey === undefined || event.verdict === VERDICT.rejected) return before
  const after = new Map(before)
  after.set(stateTuple(event.type, event.stateKey), event)
  return after
}

/** Only these have a state: outliers are as good as missing. */
export function hasState(event: StoredEvent | undefined): event is StoredEvent & { readonly snapshotId: number } {
  return event?.snapshotId !== undefined
}

/** The state before an event: what the states after its predecessors resolve to. Undefined when none of them is here. */
export async function stateBefore(
  head: RoomHead,
  predecessors: readonly StoredEvent[],
  loader: StateLoader,
): Promise<BasedState | undefined> {
  const placed = predecessors.filter(hasState)
  const first = placed[0]
  if (first === undefined) return undefined
  const states = await loader.states(placed.map(({ snapshotId }) => snapshotId))
  const base = states.get(first.snapshotId) ?? new Map<StateTuple, StateEntry>()
  const after = placed.map((event) => stateAfter(event, states.get(event.snapshotId) ?? new Map()))
  return { state: await loader.resolve(head.version, after), baseId: first.snapshotId, base }
}

/**
 * The forward extremities after an accepted event. It takes the place of its predecessors, also through predecessors
 * that are not shown (soft-failed or rejected), which never were extremities themselves.
 */
export function extremitiesAfter(
  head: RoomHead,
  event: Extremity,
  prevEventIds: readonly EventId[],
  facts: Facts,
): Extremity[] {
  const covered = coveredBy(prevEventIds, facts)
  return [...head.point.extremities.filter(({ eventId }) => !covered.has(eventId)), event]
}

/** Also asks for what has to be walked through; complete when `facts` is. */
export function coveredBy(prevEventIds: readonly EventId[], facts: Facts): Set<EventId> {
  const covered = new Set<EventId>()
  const queue = [...prevEventIds]
  for (let eventId = queue.pop(); eventId !== undefined; eventId = queue.pop()) {
    if (covered.has(eventId)) continue
    covered.add(eventId)
    const event = facts.wantEventById(eventId)
    if (event !== undefined && event.verdict !== VERDICT.accepted) queue.push(...event.pdu.prevEvents)
  }
  return covered
}

/** An accepted event that is in no store yet, and the state after it. */
export interface Arrival {
  readonly head: RoomHead
  readonly after: LoadedState
  readonly event: ResolvableEvent
}

/** The current state over several extremities: what the states after each of them resolve to. */
export async function stateOverExtremities(
  { head, after, event }: Arrival,
  others: Iterable<StoredEvent>,
  loader: StateLoader,
): Promise<LoadedState> {
  const placed = [...others].filter(hasState)
  if (placed.length === 0) return after
  const states = await loader.states(placed.map(({ snapshotId }) => snapshotId))
  const rest = placed.map((other) => stateAfter(other, states.get(other.snapshotId) ?? new Map()))
  return loader.resolve(head.version, [after, ...rest], event)
}
