import { canonicalAliasIn, roomNameIn } from '../../../protocol/event/content.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'
import type { RoomEvent, RoomSummary } from '../../roomserver/index.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import { allowsEvent, type Heroes, type RoomSpan, type StateNews, stateEnd } from './room-state.js'

/** A room's state as it is told, and its summary when that may have changed. */
export interface RoomDetails {
  readonly state: readonly RoomEvent[]
  readonly summary: RoomSummary | undefined
  /** The room has a name of its own, so that nobody has to make one of its members. */
  readonly named: boolean
}

const NAME_KEYS = [
  ['m.room.name', ''],
  ['m.room.canonical_alias', ''],
] as const

/** Whether a room is told with a summary: only when it may have changed. CS API "Syncing", RoomSummary. */
export function wantsSummary(
  { fullState }: SyncView,
  { part }: RoomSpan,
  news: StateNews | undefined,
  movedMembers: ReadonlySet<RoomId>,
): boolean {
  if (part.section !== 'join') return false
  return part.fresh || fullState || movedMembers.has(part.roomId) || (news?.changes ?? []).some(isNaming)
}

/** Adds to states what lazy loading wants, takes out what it does not, and applies the filter. */
export async function readDetails(
  sources: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  states: ReadonlyMap<RoomId, StateNews>,
  heroes: Heroes,
): Promise<Map<RoomId, RoomDetails>> {
  const missing = missingMembers(sources, view, spans, states, heroes)
  const found = await readMissing(sources, view, spans, missing, states, heroes)
  const details = new Map<RoomId, RoomDetails>()
  for (const span of spans) {
    const { roomId } = span.part
    const news = states.get(roomId)
    const summary = heroes.get(roomId)
    const known = news?.whole === true ? news.events : (found.get(roomId) ?? [])
    const named = isNamed([...known, ...span.timeline.events])
    const told = [...(news?.events ?? []), ...membersAmong(found.get(roomId) ?? [], missing.get(roomId))]
    const state = told.filter((event) => {
      return allowsEvent(view.filter.state, event) && isWantedMember(view, span, news, summary, named, event)
    })
    if (view.filter.state.lazyMembers) rememberMembers(sources, view, span, state)
    details.set(roomId, { state, summary, named })
  }
  return details
}

/** Members that a lazy-loading client needs for a room of which it is told the changes. */
function missingMembers(
  { lazyMembers }: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  states: ReadonlyMap<RoomId, StateNews>,
  heroes: Heroes,
): Map<RoomId, Set<UserId>> {
  const missing = new Map<RoomId, Set<UserId>>()
  if (!view.filter.state.lazyMembers) return missing
  for (const { part, timeline } of spans) {
    const news = states.get(part.roomId)
    if (news === undefined || news.whole || part.onlyOwnMembership) continue
    const here = new Set(news.events.filter(isMember).map(({ stateKey }) => stateKey))
    const wanted = new Set<UserId>()
    const want = (userId: UserId) => {
      if (!here.has(userId) && !lazyMembers.knows(view, part.roomId, userId)) wanted.add(userId)
    }
    for (const event of timeline.events) {
      // Whose membership the timeline shows before their first event is known by then.
      if (isMember(event) && view.stateAfter === 'no') here.add(event.stateKey)
      want(event.sender)
    }
    for (const userId of heroes.get(part.roomId)?.heroes ?? []) want(userId)
    if (wanted.size > 0) missing.set(part.roomId, wanted)
  }
  return missing
}

/** Those members, and the names of rooms that are told with a summary. Two statements at most. */
async function readMissing(
  { roomserver }: SyncSources,
  view: SyncView,
  spans: readonly RoomSpan[],
  missing: ReadonlyMap<RoomId, ReadonlySet<UserId>>,
  states: ReadonlyMap<RoomId, StateNews>,
  heroes: Heroes,
): Promise<Map<RoomId, RoomEvent[]>> {
  const asked = spans.filter(({ part: { roomId } }) => {
    return missing.has(roomId) || (heroes.has(roomId) && states.get(roomId)?.whole === false)
  })
  if (asked.length === 0) return new Map()
  const users = new Set<UserId>()
  for (const members of missing.values()) for (const userId of members) users.add(userId)
  const keys = [...NAME_KEYS, ...Array.from(users, (userId) => ['m.room.member', userId] as const)]
  const at = asked.map((span) => ({ roomId: span.part.roomId, position: stateEnd(view, span) }))
  return roomserver.stateAtPosition(at, keys)
}

function membersAmong(events: readonly RoomEvent[], wanted: ReadonlySet<UserId> | undefined): RoomEvent[] {
  if (wanted === undefined) return []
  return events.filter((event) => isMember(event) && wanted.has(event.stateKey as UserId))
}

/** Of a whole state that was read with its heroes, those of a room with a name are not needed. */
function isWantedMember(
  view: SyncView,
  { timeline }: RoomSpan,
  news: StateNews | undefined,
  summary: RoomSummary | undefined,
  named: boolean,
  event: RoomEvent,
): boolean {
  if (!view.filter.state.lazyMembers || !isMember(event) || !named) return true
  if (event.stateKey === view.requester.userId || !summary?.heroes.includes(event.stateKey as UserId)) return true
  const isChange = news?.whole === false && news.events.includes(event)
  return isChange || timeline.events.some(({ sender }) => sender === event.stateKey)
}

function rememberMembers(
  { lazyMembers }: SyncSources,
  view: SyncView,
  { part, timeline }: RoomSpan,
  state: readonly RoomEvent[],
): void {
  const shown = [...state, ...(view.stateAfter === 'no' ? timeline.events : [])].filter(isMember)
  const users = shown.map(({ stateKey }) => stateKey as UserId)
  lazyMembers.tell(view, part.roomId, users, part.fresh || view.since === undefined)
}

function isMember(event: RoomEvent): boolean {
  return event.type === 'm.room.member'
}

function isNaming({ type, stateKey }: { readonly type: string; readonly stateKey: string | undefined }): boolean {
  return stateKey === '' && (type === 'm.room.name' || type === 'm.room.canonical_alias')
}

/** Whether a room has a name of its own after these events, the last of each kind counting. */
function isNamed(events: readonly RoomEvent[]): boolean {
  const last = new Map<string, boolean>()
  for (const event of events) {
    if (!isNaming(event)) continue
    const { type, content } = event
    const name = type === 'm.room.name' ? roomNameIn(content) : canonicalAliasIn(content).alias
    last.set(type, name !== undefined)
  }
  return [...last.values()].includes(true)
}
