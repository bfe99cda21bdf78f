import type { RoomId, UserId } from '../../../protocol/ids.js'
import type { RoomEvent, RoomSummary, StateChange } from '../../roomserver/index.js'
import type { RoomEventChoice } from '../sync-filter.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import type { RoomPart } from './room-plan.js'
import type { Timeline } from './timeline.js'

/** The state that goes with a timeline. */
export interface StateNews {
  /** To be told before the timeline (`state`), or as it is after it (`state_after`). Not filtered yet. */
  readonly events: readonly RoomEvent[]
  /** What changed between the token and the end of the answer, in the timeline or not; empty for a room told in whole. */
  readonly changes: readonly StateChange[]
  /** The whole state is in `events`, but for members who are loaded lazily. */
  readonly whole: boolean
}

/** A room of the answer with its timeline. */
export interface RoomSpan {
  readonly part: RoomPart
  readonly timeline: Timeline
}

export type Heroes = ReadonlyMap<RoomId, RoomSummary>

/**
 * States and what changed in them; at most ten statements however many rooms. With lazy loading, a whole state has of the
 * members the senders of its timeline, the user, and the heroes.
 */
export async function readStates(
  sources: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  heroes: Heroes,
): Promise<Map<RoomId, StateNews>> {
  const told = spans.filter(({ part }) => !part.onlyOwnMembership)
  const whole = told.filter(({ part }) => part.fresh || view.fullState)
  const partly = told.filter(({ part }) => !part.fresh && !view.fullState)
  const states = new Map<RoomId, StateNews>()
  for (const { part } of spans) states.set(part.roomId, { events: [], changes: [], whole: false })
  await readWhole(sources, view, whole, heroes, states)
  await readChanges(sources, view, partly, states)
  return states
}

async function readWhole(
  { roomserver }: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  heroes: Heroes,
  into: Map<RoomId, StateNews>,
): Promise<void> {
  if (spans.length === 0) return
  const at = spans.map((span) => ({ roomId: span.part.roomId, position: stateEnd(view, span) }))
  const members = view.filter.state.lazyMembers ? membersOf(view, spans, heroes) : undefined
  for (const [roomId, events] of await roomserver.stateAtPosition(at, undefined, members)) {
    into.set(roomId, { events, changes: [], whole: true })
  }
}

/** Where the state that is told stands: `state` just before the timeline, `state_after` behind it. */
export function stateEnd({ stateAfter }: SyncView, { part, timeline }: RoomSpan): number {
  return stateAfter === 'no' ? timeline.start : part.upTo
}

function membersOf(view: SyncView, spans: readonly RoomSpan[], heroes: Heroes): Map<RoomId, Set<UserId>> {
  const members = new Map<RoomId, Set<UserId>>()
  for (const { part, timeline } of spans) {
    const senders = timeline.events.map(({ sender }) => sender)
    const ofRoom = heroes.get(part.roomId)?.heroes ?? []
    members.set(part.roomId, new Set([view.requester.userId, ...senders, ...ofRoom]))
  }
  return members
}

/**
 * `state` has the changes up to the start of the timeline, and of those behind it the ones that the timeline does not
 * show: made by state resolution, or left out by a filter.
 */
async function readChanges(
  { roomserver }: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  into: Map<RoomId, StateNews>,
): Promise<void> {
  const inTwo = spans.filter(({ timeline }) => view.stateAfter === 'no' && timeline.hasGap)
  const split = new Set(inTwo.map(({ part }) => part.roomId))
  const first = await roomserver.stateDelta(
    spans.map(({ part: { roomId, after, upTo }, timeline }) => ({
      roomId,
      after,
      upTo: split.has(roomId) ? timeline.start : upTo,
    })),
  )
  const second = await roomserver.stateDelta(
    inTwo.map(({ part: { roomId, upTo }, timeline }) => ({ roomId, after: timeline.start, upTo })),
  )
  for (const { part, timeline } of spans) {
    const early = first.get(part.roomId) ?? []
    const late = second.get(part.roomId) ?? []
    const changes = [...early, ...late]
    const shown = view.stateAfter === 'no' ? new Set(timeline.events.map(({ eventId }) => eventId)) : undefined
    const events = new Map<string, RoomEvent>()
    for (const { type, stateKey, event } of changes) {
      if (event === undefined || shown?.has(event.eventId) === true) continue
      events.set(`${type}\0${stateKey}`, event)
    }
    into.set(part.roomId, { events: [...events.values()], changes, whole: false })
  }
}

/** Whether a filter for events of rooms lets a state event through. */
export function allowsEvent(choice: RoomEventChoice, event: RoomEvent): boolean {
  if (!choice.rooms.allows(event.roomId) || !choice.types.allows(event.type) || !choice.senders.allows(event.sender)) {
    return false
  }
  return choice.containsUrl === undefined || choice.containsUrl === Object.hasOwn(event.content, 'url')
}
