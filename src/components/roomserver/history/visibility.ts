import { LoadingCache } from '../../../platform/loading-cache.js'
import { historyVisibilityIn, membershipIn } from '../../../protocol/event/content.js'
import { mayUserSee } from '../../../protocol/history-visibility.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'
import { getObject, isJsonObject, type JsonObject, parseStoredJson } from '../../../protocol/json.js'
import type { RoomEvent, RoomMembership, RoomState } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { type StoredEvent, VERDICT } from '../room-event.js'
import { SELECT_KEY_HISTORY, SELECT_POSSIBLE_JOINS, type StateJsonRow } from '../store/events-reads.js'
import { type EventFacts, type EventFactsReader, membershipAfter, visibilityAfter } from './event-facts.js'
import { asStored } from './stored.js'

const VISIBILITY = 'm.room.history_visibility'
const NEVER = Number.NEGATIVE_INFINITY

/**
 * The one place that decides whether a user may see an event (CS API "Room History Visibility"): by the state at the
 * event. Who is joined to a room whose history has always been open to its members may see everything, which costs
 * nothing; everybody else costs two statements for a page, or three for somebody who has left.
 */
export class Visibility {
  readonly #internals: RoomInternals
  readonly #state: RoomState
  readonly #facts: EventFactsReader
  /** Whether no visibility that the room ever had keeps history from its members. */
  readonly #alwaysOpen: LoadingCache<RoomId, boolean>

  constructor(internals: RoomInternals, state: RoomState, facts: EventFactsReader) {
    this.#internals = internals
    this.#state = state
    this.#facts = facts
    this.#alwaysOpen = new LoadingCache<RoomId, boolean>(
      internals.cacheBudget.cache('roomserver.always_open', (_open, roomId) => roomId.length),
      async (roomIds) => {
        const rows = await internals.database.run(SELECT_KEY_HISTORY, roomIds, VISIBILITY, '')
        const restricted = new Set(rows.filter(isRestricting).map((row) => row.room_id))
        return new Map(roomIds.map((roomId) => [roomId, !restricted.has(roomId)]))
      },
    )
    internals.onCommitted((entries) => {
      for (const { roomId, event, stateChanges } of entries) {
        const changes = event?.type === VISIBILITY || stateChanges.some(({ type }) => type === VISIBILITY)
        if (changes) this.#alwaysOpen.drop(roomId)
      }
    })
  }

  /** In the same order. Soft-failed and rejected events, and outliers but for one's own join, are shown to nobody. */
  async visibleTo<Event extends RoomEvent>(userId: UserId, events: readonly Event[]): Promise<Event[]> {
    if (events.length === 0) return []
    const stored = events.map(asStored)
    const rooms = new Set(stored.map(({ roomId }) => roomId))
    const memberships = await this.#state.memberships(userId)
    const joined = [...rooms].filter((roomId) => memberships.get(roomId)?.membership === 'join')
    const open = await this.#alwaysOpen.getMany(joined)
    const isOpen = (event: StoredEvent): boolean => open.get(event.roomId) === true && event.position !== undefined
    const judged = stored.filter((event) => isShown(event, userId) && !isOpen(event))
    const allowed = judged.length === 0 ? new Set<number>() : await this.#judge(userId, judged, memberships)
    return events.filter((_event, index) => {
      const event = stored[index]
      return event !== undefined && isShown(event, userId) && (isOpen(event) || allowed.has(event.nid))
    })
  }

  /** Whoever is or was a member may look into a room, and everybody into one that the world may read. */
  async mayPeek(userId: UserId, roomId: RoomId): Promise<boolean> {
    const membership = await this.#state.membership(roomId, userId)
    if (membership?.membership === 'join') return true
    const current = await this.#state.stateEvent(roomId, VISIBILITY, '')
    if (current !== undefined && historyVisibilityIn(current.content) === 'world_readable') return true
    if (membership === undefined || membership.forgotten) return false
    return (await this.#lastJoins(userId, [roomId])).has(roomId)
  }

  /** Nids of those among the events that the user may see. */
  async #judge(
    userId: UserId,
    events: readonly StoredEvent[],
    memberships: ReadonlyMap<RoomId, RoomMembership>,
  ): Promise<Set<number>> {
    const facts = await this.#facts.before(userId, events)
    const factsOf = (event: StoredEvent): EventFacts => {
      const known = event.snapshotId === undefined ? undefined : facts.get(event.snapshotId)
      return known ?? { visibility: 'joined', membership: undefined }
    }
    const left = new Set<RoomId>()
    for (const event of events) {
      const membership = memberships.get(event.roomId)
      const mattersWhen = factsOf(event).visibility === 'shared' || event.type === VISIBILITY
      if (membership !== undefined && membership.membership !== 'join' && mattersWhen) left.add(event.roomId)
    }
    const lastJoins = left.size === 0 ? new Map<RoomId, number>() : await this.#lastJoins(userId, [...left])
    const allowed = new Set<number>()
    for (const event of events) {
      const lastJoin = memberships.get(event.roomId)?.membership === 'join' ? Infinity : lastJoins.get(event.roomId)
      const joinedLater = (lastJoin ?? NEVER) > (event.position ?? 0)
      const forgotten = memberships.get(event.roomId)?.forgotten === true
      if (maySee(event, userId, factsOf(event), forgotten ? undefined : { joinedLater })) allowed.add(event.nid)
    }
    return allowed
  }

  /** Positions of the newest event by which the user joined each room, for rooms that they did join. One statement. */
  async #lastJoins(userId: UserId, roomIds: readonly RoomId[]): Promise<Map<RoomId, number>> {
    const joins = new Map<RoomId, number>()
    for (const row of await this.#internals.database.run(SELECT_POSSIBLE_JOINS, roomIds, userId)) {
      if (row.position === null || membershipIn(contentOf(row)) !== 'join') continue
      joins.set(row.room_id, Math.max(row.position, joins.get(row.room_id) ?? NEVER))
    }
    return joins
  }
}

/** `member` is undefined for one who has forgotten the room: as if they had never been there. */
function maySee(
  event: StoredEvent,
  userId: UserId,
  { visibility, membership }: EventFacts,
  member: { readonly joinedLater: boolean } | undefined,
): boolean {
  const before = member === undefined ? undefined : membership
  return mayUserSee({
    visibility: { before: visibility, after: visibilityAfter(event, visibility) },
    membership: { before, after: member === undefined ? undefined : membershipAfter(event, userId, before) },
    joinedLater: member?.joinedLater === true,
  })
}

function isShown(event: StoredEvent, userId: UserId): boolean {
  if (event.verdict !== VERDICT.accepted) return false
  return event.position !== undefined || membershipAfter(event, userId, undefined) === 'join'
}

function isRestricting(row: StateJsonRow): boolean {
  const visibility = historyVisibilityIn(contentOf(row))
  return visibility === 'joined' || visibility === 'invited'
}

function contentOf(row: StateJsonRow): JsonObject {
  const event = parseStoredJson(row.json)
  return (isJsonObject(event) && getObject(event, 'content')) || {}
}
