import type { Database } from '../../../platform/database.js'
import type { RoomId } from '../../../protocol/ids.js'
import type { EventFilter, TimelinePage, TopologicalToken } from '../api.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import { eventFilterParams } from '../store/event-filter-sql.js'
import { type FilteredNewestRow, SELECT_NEWEST, SELECT_NEWEST_FILTERED } from '../store/events-reads.js'
import type { Place, RecentEvents } from './recent.js'

export interface TimelineRange {
  readonly roomId: RoomId
  readonly after: number
  readonly upTo: number
  readonly limit: number
}

/**
 * Events before the page that are looked at for where it begins in the topological order: that place must be after
 * every event that arrived earlier, and a fork can make one of those deeper than the first of the page.
 */
const LOOK_BACK = 5

/** Events that one statement looks at with a filter, shared out among the rooms within these bounds. */
const FILTER_SCAN = 50_000
const FILTER_SCAN_PER_ROOM = { least: 200, most: 5_000 }

/** What a range has, newest first and some more than its limit. */
interface Found {
  readonly places: Place[]
  /** Where the search stopped before the range was at its end. */
  stopped: TopologicalToken | undefined
}

/** The newest events of each range; two statements at most, none where it moved lately. */
export async function newestOf(
  internals: RoomInternals,
  recent: RecentEvents,
  ranges: readonly TimelineRange[],
  filter: EventFilter | undefined,
): Promise<Map<RoomId, TimelinePage>> {
  const found = await findNewest(internals, recent, ranges, filter)
  const shown = ranges.flatMap(({ roomId, limit }) => found.get(roomId)?.places.slice(0, limit) ?? [])
  const events = await internals.events.byNids(shown.map(({ nid }) => nid))
  return new Map(ranges.map(({ roomId, limit }) => [roomId, pageOf(found.get(roomId), limit, events)]))
}

async function findNewest(
  internals: RoomInternals,
  recent: RecentEvents,
  ranges: readonly TimelineRange[],
  filter: EventFilter | undefined,
): Promise<Map<RoomId, Found>> {
  const found = new Map<RoomId, Found>()
  const asked: TimelineRange[] = []
  for (const range of ranges) {
    if (range.after >= range.upTo) continue
    const known = filter === undefined ? recent.since(range.roomId, range.after) : undefined
    if (known === undefined) asked.push(range)
    const places = known?.filter(({ position }) => position <= range.upTo).reverse() ?? []
    found.set(range.roomId, { places, stopped: undefined })
  }
  if (asked.length === 0) return found
  for (const { room_id, event_nid, depth, position } of await select(internals.database, asked, filter)) {
    const room = found.get(room_id)
    if (room === undefined) continue
    if (event_nid === null) room.stopped = { depth, position: position - 1 }
    else room.places.push({ nid: event_nid, depth, position })
  }
  return found
}

function select(
  database: Database,
  ranges: readonly TimelineRange[],
  filter: EventFilter | undefined,
): Promise<FilteredNewestRow[]> {
  const columns = [
    ranges.map(({ roomId }) => roomId),
    // Backfilled events have negative positions and never appear here.
    ranges.map(({ after }) => Math.max(after, 0)),
    ranges.map(({ upTo }) => upTo),
    ranges.map(({ limit }) => limit + LOOK_BACK),
  ] as const
  if (filter === undefined) return database.run(SELECT_NEWEST, ...columns)
  const { least, most } = FILTER_SCAN_PER_ROOM
  const scan = Math.max(least, Math.min(most, Math.floor(FILTER_SCAN / ranges.length)))
  return database.run(SELECT_NEWEST_FILTERED, ...columns, scan, ...eventFilterParams(filter))
}

function pageOf(found: Found | undefined, limit: number, events: ReadonlyMap<number, StoredEvent>): TimelinePage {
  if (found === undefined) return { events: [], limited: false, end: undefined }
  const { places, stopped } = found
  const page = places.slice(0, limit)
  return {
    events: page.flatMap(({ nid }) => events.get(nid) ?? []).reverse(),
    limited: places.length > limit || stopped !== undefined,
    end: page.length === 0 ? stopped : beginningOf(places, page.length, events),
  }
}

/** The place just before the first event of a page; undefined when nothing can be before it. */
function beginningOf(
  places: readonly Place[],
  pageLength: number,
  events: ReadonlyMap<number, StoredEvent>,
): TopologicalToken | undefined {
  const first = places[pageLength - 1]
  if (first === undefined || events.get(first.nid)?.type === 'm.room.create') return undefined
  const before = places.slice(pageLength, pageLength + LOOK_BACK)
  return { depth: Math.max(first.depth, ...before.map(({ depth }) => depth)), position: first.position - 1 }
}
