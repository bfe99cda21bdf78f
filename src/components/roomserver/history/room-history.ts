import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import type { EventFilter, RoomEvent, RoomHistory, TimelinePage, TopologicalToken, Viewer } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { ChildrenReads } from '../present/children.js'
import { PageFactsReader } from '../present/page-facts.js'
import { Presenter, type PresentOptions } from '../present/presenter.js'
import type { StateReads } from '../reads/room-state.js'
import { VERDICT } from '../room-event.js'
import { SELECT_DEPTH_AT } from '../store/events-reads.js'
import { SELECT_CHANGED_ROOMS } from '../store/rooms-reads.js'
import { EventFactsReader } from './event-facts.js'
import { newestOf, type TimelineRange } from './newest.js'
import { type PageRequest, Pager } from './page.js'
import { RecentEvents } from './recent.js'
import { Visibility } from './visibility.js'

/** Timelines, single events, who may see them, and how they are shown. */
export class HistoryReads implements RoomHistory {
  readonly #internals: RoomInternals
  readonly #visibility: Visibility
  readonly #recent: RecentEvents
  readonly #pager: Pager
  readonly #presenter: Presenter

  constructor(internals: RoomInternals, state: StateReads) {
    this.#internals = internals
    const facts = new EventFactsReader(internals)
    this.#visibility = new Visibility(internals, state, facts)
    this.#recent = new RecentEvents(internals)
    this.#pager = new Pager(internals, this.#visibility)
    const visibility = this.#visibility
    const pageFacts = new PageFactsReader(internals, state, { visibility, facts }, new ChildrenReads(internals))
    this.#presenter = new Presenter(internals, pageFacts)
  }

  async event(eventId: EventId): Promise<RoomEvent | undefined> {
    return (await this.events([eventId])).get(eventId)
  }

  /** Accepted ones: what was refused exists for no client. */
  async events(eventIds: readonly EventId[]): Promise<Map<EventId, RoomEvent>> {
    const found = await this.#internals.events.byIds(eventIds)
    for (const [eventId, { verdict }] of found) if (verdict !== VERDICT.accepted) found.delete(eventId)
    return found
  }

  visibleTo(userId: UserId, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    return this.#visibility.visibleTo(userId, events)
  }

  mayPeek(userId: UserId, roomId: RoomId): Promise<boolean> {
    return this.#visibility.mayPeek(userId, roomId)
  }

  newest(ranges: readonly TimelineRange[], filter?: EventFilter): Promise<Map<RoomId, TimelinePage>> {
    return newestOf(this.#internals, this.#recent, ranges, withConditions(filter))
  }

  async roomsChangedSince(roomIds: readonly RoomId[], after: number): Promise<RoomId[]> {
    if (roomIds.length === 0) return []
    return (await this.#internals.database.run(SELECT_CHANGED_ROOMS, roomIds, after)).map((row) => row.room_id)
  }

  page(request: PageRequest): Promise<TimelinePage> {
    const { filter, ...rest } = request
    const conditions = withConditions(filter)
    return this.#pager.page(conditions === undefined ? rest : { ...rest, filter: conditions })
  }

  /**
   * Just after everything that had arrived at the position, in the topological order: going back from there misses nothing,
   * and may show again what came later on a fork.
   */
  async topologicalToken(roomId: RoomId, position: number): Promise<TopologicalToken> {
    const [row] = await this.#internals.database.run(SELECT_DEPTH_AT, roomId, position)
    return { depth: row?.depth ?? 0, position }
  }

  present(events: readonly RoomEvent[], viewer: Viewer, options?: PresentOptions): Promise<string[]> {
    return this.#presenter.present(events, viewer, options)
  }
}

/** Undefined for a filter that lets everything through. */
function withConditions(filter: EventFilter | undefined): EventFilter | undefined {
  if (filter === undefined) return undefined
  const { types, notTypes, senders, notSenders, containsUrl, relatedByRelTypes, relatedBySenders } = filter
  const lists = [types, senders, relatedByRelTypes, relatedBySenders]
  const excludes = (notTypes?.length ?? 0) + (notSenders?.length ?? 0) > 0
  return excludes || containsUrl !== undefined || lists.some((list) => list !== undefined) ? filter : undefined
}
