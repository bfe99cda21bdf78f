import type { RoomId, UserId } from '../../../protocol/ids.js'
import type { RoomEvent, TimelinePage } from '../../roomserver/index.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import { formatToken, formatTopologicalToken } from '../tokens.js'
import type { RoomPart } from './room-plan.js'

/** The events of one room in an answer. */
export interface Timeline {
  readonly events: readonly RoomEvent[]
  readonly limited: boolean
  readonly prevBatch: string
  /** State up to here is told before the timeline. */
  readonly start: number
  /** Something lies between where the client was and the first event. */
  readonly hasGap: boolean
}

/** Events that are looked at once more where most of the newest may not be seen. */
const OLDER_EVENTS = 100

/** Timelines of the parts that can have any; at most twelve statements however many rooms, and usually two. */
export async function readTimelines(
  sources: SyncSources,
  view: SyncView,
  parts: readonly RoomPart[],
): Promise<Map<RoomId, Timeline>> {
  const { timeline } = view.filter
  const pages = await sources.roomserver.newest(
    parts.filter(({ roomId }) => mayShowEvents(view, roomId)).map((part) => rangeOf(part, timeline.limit)),
    timeline.conditions,
  )
  const visible = await visibleEvents(sources, view.requester.userId, parts, pages)
  await addOlder(sources, view, parts, pages, visible)
  const timelines = new Map<RoomId, Timeline>()
  for (const part of parts) {
    const page = pages.get(part.roomId)
    timelines.set(part.roomId, timelineOf(view, part, page, visible))
  }
  return timelines
}

function rangeOf({ roomId, after, upTo, onlyOwnMembership }: RoomPart, limit: number) {
  // The event that ended an invite is the one at which the membership began.
  return { roomId, after: onlyOwnMembership ? upTo - 1 : after, upTo, limit }
}

function mayShowEvents({ filter: { timeline } }: SyncView, roomId: RoomId): boolean {
  return timeline.rooms.allows(roomId) && !timeline.types.none && !timeline.senders.none
}

/**
 * What the user may see, and beside that state that still holds where the answer ends: it was set while they could not
 * look, and a client that goes by the timeline would never learn of it.
 */
async function visibleEvents(
  { roomserver }: SyncSources,
  userId: UserId,
  parts: readonly RoomPart[],
  pages: ReadonlyMap<RoomId, TimelinePage>,
): Promise<Set<RoomEvent>> {
  const all = [...pages.values()].flatMap(({ events }) => events)
  const visible = new Set(await roomserver.visibleTo(userId, all))
  if (visible.size === all.length) return visible
  const hidden: RoomEvent[] = []
  for (const event of all) {
    if (visible.has(event)) continue
    if (event.type === 'm.room.member' && event.stateKey === userId) visible.add(event)
    else if (event.stateKey !== undefined) hidden.push(event)
  }
  const rooms = new Set(hidden.map(({ roomId }) => roomId))
  const at = parts.filter(({ roomId, onlyOwnMembership }) => rooms.has(roomId) && !onlyOwnMembership)
  if (at.length === 0) return visible
  const keys = hidden.map(({ type, stateKey }) => [type, stateKey] as const)
  const states = await roomserver.stateAtPosition(
    at.map(({ roomId, upTo }) => ({ roomId, position: upTo })),
    keys,
  )
  const standing = new Set([...states.values()].flat().map(({ eventId }) => eventId))
  for (const event of hidden) if (standing.has(event.eventId)) visible.add(event)
  return visible
}

/** Where the user may see less than they asked for, whoever left and came back to a private room, older events are tried. */
async function addOlder(
  sources: SyncSources,
  view: SyncView,
  parts: readonly RoomPart[],
  pages: Map<RoomId, TimelinePage>,
  visible: Set<RoomEvent>,
): Promise<void> {
  const { timeline } = view.filter
  const older: RoomPart[] = []
  for (const part of parts) {
    const page = pages.get(part.roomId)
    const first = page?.events[0]?.position
    if (page?.limited !== true || first === undefined) continue
    const shown = page.events.filter((event) => visible.has(event)).length
    if (shown < page.events.length && shown < timeline.limit) older.push({ ...part, upTo: first - 1 })
  }
  if (older.length === 0) return
  const ranges = older.map((part) => rangeOf(part, OLDER_EVENTS))
  const found = await sources.roomserver.newest(ranges, timeline.conditions)
  const whole = new Set(older.map(({ roomId }) => roomId))
  const judged = parts.filter(({ roomId }) => whole.has(roomId))
  for (const event of await visibleEvents(sources, view.requester.userId, judged, found)) visible.add(event)
  for (const [roomId, page] of found) {
    const newer = pages.get(roomId)?.events ?? []
    if (page.events.length > 0) pages.set(roomId, { ...page, events: [...page.events, ...newer] })
  }
}

function timelineOf(
  view: SyncView,
  part: RoomPart,
  page: TimelinePage | undefined,
  visible: ReadonlySet<RoomEvent>,
): Timeline {
  const found = page?.events ?? []
  // State of ignored users is shown all the same: CS API "Ignoring users".
  const isShown = (event: RoomEvent) =>
    visible.has(event) && (event.stateKey !== undefined || !view.ignored.has(event.sender))
  const all = found.filter(isShown)
  const events = all.slice(Math.max(0, all.length - view.filter.timeline.limit))
  const isCut = events.length < all.length
  const first = events[0]?.position
  const isNewHere = part.fresh && part.section === 'join' && view.since !== undefined
  // Of a room that is new to the client nothing came before only when the timeline begins with its creation.
  const limited = page?.limited === true || isCut || (isNewHere && events[0]?.type !== 'm.room.create')
  return {
    events,
    limited,
    prevBatch: beforeCreation(events[0]) ?? prevBatchOf(part, isCut ? undefined : page, first),
    start: first === undefined ? part.upTo : first - 1,
    hasGap: first !== undefined && (page?.limited === true || events[0] !== found[0]),
  }
}

/**
 * Clients take a missing `prev_batch` for an older server, and one that leads to nothing for a gap. Before the creation
 * there is nothing, so paging back from there begins with it.
 */
function beforeCreation(first: RoomEvent | undefined): string | undefined {
  if (first?.type !== 'm.room.create' || first.position === undefined) return undefined
  return formatTopologicalToken({ depth: first.depth, position: first.position })
}

function prevBatchOf({ after, upTo }: RoomPart, page: TimelinePage | undefined, first: number | undefined): string {
  if (page?.end !== undefined) return formatTopologicalToken(page.end)
  if (first !== undefined) return formatToken(Math.max(first - 1, 0))
  return formatToken(after > 0 && page?.limited !== true ? after : upTo)
}
