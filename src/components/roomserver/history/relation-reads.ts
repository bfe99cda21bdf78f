import type { UserId } from '../../../protocol/ids.js'
import type { RoomEvent, RoomHistory, RoomRelations, ThreadPage, TimelinePage, TopologicalToken } from '../api.js'
import type { RoomInternals } from '../internals.js'
import {
  MAX_RECURSION,
  type RelatedColumns,
  SELECT_FROM_TIME,
  SELECT_RELATED_BACKWARD,
  SELECT_RELATED_FORWARD,
  SELECT_THREADS,
  SELECT_UP_TO_TIME,
} from '../store/relation-pages.js'

type RelationsRequest = Parameters<RoomRelations['relations']>[0]
type ThreadsRequest = Parameters<RoomRelations['threads']>[0]
type ByTimeRequest = Parameters<RoomRelations['eventNearTime']>[0]

/** Pages that are looked through for events that the viewer may see: then the answer ends short, with a way to go on. */
const MAX_STEPS = 8
const MIN_STEP = 50

const START: TopologicalToken = { depth: -1, position: Number.MIN_SAFE_INTEGER }
const END: TopologicalToken = { depth: Number.MAX_SAFE_INTEGER, position: Number.MAX_SAFE_INTEGER }

/** What relates to an event, threads, and events by time. All of it is filtered by what the viewer may see. */
export class RelationReads implements RoomRelations {
  readonly #internals: RoomInternals
  readonly #history: Pick<RoomHistory, 'visibleTo'>

  constructor(internals: RoomInternals, history: Pick<RoomHistory, 'visibleTo'>) {
    this.#internals = internals
    this.#history = history
  }

  async relations(request: RelationsRequest): Promise<TimelinePage> {
    const room = (await this.#internals.rooms.find([request.roomId])).get(request.roomId)
    if (room === undefined) return { events: [], limited: false, end: undefined }
    const { direction, limit } = request
    const statement = direction === 'b' ? SELECT_RELATED_BACKWARD : SELECT_RELATED_FORWARD
    const size = Math.max(limit + 1, MIN_STEP)
    const shown: RoomEvent[] = []
    let cursor = request.from ?? (direction === 'b' ? END : START)
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const rows = await this.#internals.database.run(statement, ...columnsOf(room.nid, request, cursor, size))
      for (const event of await this.#seen(
        request.viewer,
        rows.map(({ event_nid }) => event_nid),
      )) {
        if (shown.length === limit) return { events: shown, limited: true, end: placeBeyond(shown.at(-1), direction) }
        shown.push(event)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < size) return { events: shown, limited: false, end: undefined }
      cursor = beyond(last, direction)
    }
    return { events: shown, limited: true, end: cursor }
  }

  async threads(request: ThreadsRequest): Promise<ThreadPage> {
    const room = (await this.#internals.rooms.find([request.roomId])).get(request.roomId)
    if (room === undefined) return { roots: [], next: undefined }
    const participant = request.participatedOnly ? request.viewer : null
    const size = Math.max(request.limit + 1, MIN_STEP)
    const roots: RoomEvent[] = []
    let before = request.before
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const rows = await this.#internals.database.run(
        SELECT_THREADS,
        room.nid,
        before,
        participant,
        request.notSenders,
        size,
      )
      const latest = new Map(rows.map((row) => [row.event_nid, row.latest]))
      for (const event of await this.#seen(request.viewer, [...latest.keys()])) {
        if (roots.length === request.limit) return { roots, next: before }
        roots.push(event)
        before = (latest.get(event.nid) ?? before) - 1
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < size) return { roots, next: undefined }
      before = last.latest - 1
    }
    return { roots, next: before }
  }

  async eventNearTime({ roomId, ts, direction, viewer }: ByTimeRequest): Promise<RoomEvent | undefined> {
    const room = (await this.#internals.rooms.find([roomId])).get(roomId)
    if (room === undefined) return undefined
    const statement = direction === 'b' ? SELECT_UP_TO_TIME : SELECT_FROM_TIME
    // Most who ask may see the first one; who may not has perhaps come, or left, long before or after.
    for (let steps = 0, skip = 0, size = 1; steps < MAX_STEPS; steps++, skip += size, size = 250) {
      const rows = await this.#internals.database.run(statement, room.nid, ts, skip, size)
      const [event] = await this.#seen(
        viewer,
        rows.map(({ event_nid }) => event_nid),
      )
      if (event !== undefined || rows.length < size) return event
    }
    return undefined
  }

  /** In the order of the nids. */
  async #seen(viewer: UserId, nids: readonly number[]): Promise<RoomEvent[]> {
    const known = await this.#internals.events.byNids(nids)
    return this.#history.visibleTo(
      viewer,
      nids.flatMap((nid) => known.get(nid) ?? []),
    )
  }
}

function columnsOf(roomNid: number, request: RelationsRequest, cursor: TopologicalToken, size: number): RelatedColumns {
  const { eventId, recurse, relType, eventType, notSenders, direction } = request
  const bound = request.to ?? (direction === 'b' ? START : END)
  const [from, to] = direction === 'b' ? [bound, cursor] : [cursor, bound]
  const hops = recurse ? MAX_RECURSION : 1
  const stretch = [from.depth, from.position, to.depth, to.position] as const
  return [roomNid, eventId, hops, relType ?? null, eventType ?? null, notSenders, ...stretch, size]
}

function placeBeyond(event: RoomEvent | undefined, direction: 'b' | 'f'): TopologicalToken | undefined {
  if (event?.position === undefined) return undefined
  return beyond({ depth: event.depth, position: event.position }, direction)
}

/** The place on the far side of an event, in the direction of the request. */
function beyond({ depth, position }: TopologicalToken, direction: 'b' | 'f'): TopologicalToken {
  return { depth, position: direction === 'b' ? position - 1 : position }
}
