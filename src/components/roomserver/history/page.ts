import type { UserId } from '../../../protocol/ids.js'
import type { EventFilter, RoomEvent, RoomHistory, TimelinePage, TopologicalToken } from '../api.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import { eventFilterParams } from '../store/event-filter-sql.js'
import {
  SELECT_HAS_GAP,
  SELECT_STRETCH_BACKWARD,
  SELECT_STRETCH_BACKWARD_FILTERED,
  SELECT_STRETCH_FORWARD,
  SELECT_STRETCH_FORWARD_FILTERED,
  type StretchColumns,
} from '../store/events-reads.js'
import type { Visibility } from './visibility.js'

export type PageRequest = Parameters<RoomHistory['page']>[0]

/** Statements that one page may take to find events that the viewer may see: then it ends short, with a way to go on. */
const MAX_STEPS = 8
/** Events looked at per step. */
const MAX_STEP = 250

/** Before the first and after the last event of every room. */
const START: TopologicalToken = { depth: -1, position: Number.MIN_SAFE_INTEGER }
const END: TopologicalToken = { depth: Number.MAX_SAFE_INTEGER, position: Number.MAX_SAFE_INTEGER }

interface Step {
  readonly events: readonly StoredEvent[]
  /** Where the next step begins; undefined when nothing is left in the stretch. */
  readonly next: TopologicalToken | undefined
}

/**
 * Pages through a room in topological order. A token is a place between events: just after the one whose depth and
 * position it has, or where that would be. Events that the viewer may not see are passed over.
 */
export class Pager {
  readonly #internals: RoomInternals
  readonly #visibility: Visibility

  constructor(internals: RoomInternals, visibility: Visibility) {
    this.#internals = internals
    this.#visibility = visibility
  }

  async page(request: PageRequest): Promise<TimelinePage> {
    const room = (await this.#internals.rooms.find([request.roomId])).get(request.roomId)
    if (room === undefined) return { events: [], limited: false, end: undefined }
    const shown: RoomEvent[] = []
    let cursor: TopologicalToken = placeOf(request.from)
    let last: StoredEvent | undefined
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      // One more than is missing: so that it is known whether there is more.
      const size = Math.min(MAX_STEP, Math.max(request.limit - shown.length + 1, steps === 0 ? 1 : MAX_STEP))
      const step = await this.#step(room.nid, request, cursor, size)
      for (const event of await this.#visible(request.viewer, step.events)) {
        if (shown.length === request.limit) {
          return { events: shown, limited: true, end: placeBeyond(shown.at(-1), request) ?? cursor }
        }
        shown.push(event)
      }
      last = step.events.at(-1) ?? last
      if (step.next === undefined) {
        const end = await this.#endOf(room.nid, request, last)
        return { events: shown, limited: false, end }
      }
      cursor = step.next
    }
    return { events: shown, limited: true, end: cursor }
  }

  #visible(viewer: UserId, events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    return this.#visibility.visibleTo(viewer, events)
  }

  async #step(roomNid: number, request: PageRequest, cursor: TopologicalToken, size: number): Promise<Step> {
    const stretch = stretchOf(roomNid, request, cursor, size)
    const backward = request.direction === 'b'
    const rows =
      request.filter === undefined
        ? await this.#internals.database.run(backward ? SELECT_STRETCH_BACKWARD : SELECT_STRETCH_FORWARD, ...stretch)
        : await this.#filtered(stretch, backward, request.filter)
    const nids = rows.flatMap(({ event_nid }) => event_nid ?? [])
    const known = await this.#internals.events.byNids(nids)
    const events = nids.flatMap((nid) => known.get(nid) ?? [])
    const stopped = rows.at(-1)
    // A full step may have been the last one; a filter that looked at as much as it may says where it stopped.
    const isFull = nids.length === size
    const edge = isFull ? rows[size - 1] : stopped?.event_nid === null ? stopped : undefined
    return { events, next: edge && beyond({ depth: edge.depth, position: edge.position }, backward) }
  }

  #filtered(stretch: StretchColumns, backward: boolean, filter: EventFilter) {
    const statement = backward ? SELECT_STRETCH_BACKWARD_FILTERED : SELECT_STRETCH_FORWARD_FILTERED
    return this.#internals.database.run(statement, ...stretch, ...eventFilterParams(filter))
  }

  /**
   * Nothing is left: the true end, unless other servers have what comes before. A token that is asked for a second time
   * has nothing after it, so nobody goes round in circles when they cannot be reached.
   */
  async #endOf(
    roomNid: number,
    request: PageRequest,
    last: StoredEvent | undefined,
  ): Promise<TopologicalToken | undefined> {
    if (last === undefined) return undefined
    if (request.to !== undefined) return request.to
    if (request.direction === 'f' || last.type === 'm.room.create') return undefined
    const [row] = await this.#internals.database.run(SELECT_HAS_GAP, roomNid)
    return row?.gap === true ? placeBeyond(last, request) : undefined
  }
}

function placeOf(from: TopologicalToken | 'start' | 'end'): TopologicalToken {
  if (from === 'start') return START
  return from === 'end' ? END : from
}

function stretchOf(roomNid: number, request: PageRequest, cursor: TopologicalToken, size: number): StretchColumns {
  const backward = request.direction === 'b'
  const bound = request.to ?? (backward ? START : END)
  const [from, to] = backward ? [bound, cursor] : [cursor, bound]
  return [roomNid, from.depth, from.position, to.depth, to.position, size]
}

/** The place on the far side of an event, in the direction of the request. */
function placeBeyond(event: RoomEvent | undefined, { direction }: PageRequest): TopologicalToken | undefined {
  if (event?.position === undefined) return undefined
  return beyond({ depth: event.depth, position: event.position }, direction === 'b')
}

function beyond({ depth, position }: TopologicalToken, backward: boolean): TopologicalToken {
  return { depth, position: backward ? position - 1 : position }
}
