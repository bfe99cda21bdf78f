import type { Membership } from '../../../protocol/event/content.js'
import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import type { RoomMembership, RoomState } from '../api.js'
import { type EventFactsReader, membershipAfter } from '../history/event-facts.js'
import type { Visibility } from '../history/visibility.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import type { Children, ChildrenReads } from './children.js'

/** Everything that `unsigned` of a page of events needs, for one viewer. */
export interface PageFacts {
  readonly children: ReadonlyMap<EventId, Children>
  /** Events shown inside others that the viewer may see: replaced ones, redactions, edits, newest events of threads. */
  readonly visible: ReadonlyMap<number, StoredEvent>
  /** Ids of replaced events, which are told whether or not the events may be seen. */
  readonly ids: ReadonlyMap<number, EventId>
  /** Membership of the viewer at an event, with what the event makes of it (MSC4115); undefined where nobody knows. */
  membershipAt(event: StoredEvent): Membership | undefined
}

type Memberships = ReadonlyMap<RoomId, RoomMembership>

/**
 * Reads what is shown inside events. For somebody who is joined, with warm caches, nothing is asked of the database; a
 * cold page takes three statements (children, children of threads' newest events, the events named) and those of
 * visibility.
 */
export class PageFactsReader {
  readonly #internals: RoomInternals
  readonly #state: RoomState
  readonly #visibility: Visibility
  readonly #facts: EventFactsReader
  readonly #children: ChildrenReads

  constructor(
    internals: RoomInternals,
    state: RoomState,
    history: { readonly visibility: Visibility; readonly facts: EventFactsReader },
    children: ChildrenReads,
  ) {
    this.#internals = internals
    this.#state = state
    this.#visibility = history.visibility
    this.#facts = history.facts
    this.#children = children
  }

  async read(userId: UserId, page: readonly StoredEvent[]): Promise<PageFacts> {
    const memberships = await this.#state.memberships(userId)
    const children = await this.#childrenOf(page, memberships)
    const inner = await this.#internals.events.byNids(innerNids(page, children))
    const visible = await this.#visibility.visibleTo(userId, [...inner.values()])
    const membershipAt = await this.#membershipsAt(userId, memberships, [...page, ...visible])
    return {
      children,
      visible: new Map(visible.map((event) => [event.nid, event])),
      ids: new Map(Array.from(inner, ([nid, { eventId }]) => [nid, eventId])),
      membershipAt,
    }
  }

  /** Of the page, and of the newest event of each thread that begins on it. */
  async #childrenOf(page: readonly StoredEvent[], memberships: Memberships): Promise<Map<EventId, Children>> {
    const children = await this.#childrenSeen(page, memberships)
    const latest = page.flatMap(({ eventId, roomId }) => {
      const thread = children.get(eventId)?.thread
      return thread === undefined ? [] : [{ eventId: thread.latestId, roomId }]
    })
    if (latest.length === 0) return children
    return new Map([...children, ...(await this.#childrenSeen(latest, memberships))])
  }

  /** Somebody who has left sees no relation that came after. */
  async #childrenSeen(
    events: readonly { readonly eventId: EventId; readonly roomId: RoomId }[],
    memberships: Memberships,
  ): Promise<Map<EventId, Children>> {
    const current: EventId[] = []
    const bounded = new Map<EventId, number>()
    for (const { eventId, roomId } of events) {
      const membership = memberships.get(roomId)
      if (membership === undefined || membership.membership === 'join') current.push(eventId)
      else bounded.set(eventId, membership.position)
    }
    const [now, then] = await Promise.all([this.#children.of(current), this.#children.upTo(bounded)])
    return new Map([...now, ...then])
  }

  async #membershipsAt(
    userId: UserId,
    memberships: Memberships,
    events: readonly StoredEvent[],
  ): Promise<(event: StoredEvent) => Membership | undefined> {
    const staysJoined = (event: StoredEvent): boolean => {
      const membership = memberships.get(event.roomId)
      return membership?.membership === 'join' && event.position !== undefined && event.position >= membership.position
    }
    const unclear = events.filter((event) => memberships.has(event.roomId) && !staysJoined(event))
    const facts = await this.#facts.before(userId, unclear)
    return (event) => {
      if (staysJoined(event)) return 'join'
      if (!memberships.has(event.roomId)) return 'leave'
      const before = event.snapshotId === undefined ? undefined : facts.get(event.snapshotId)
      const after = membershipAfter(event, userId, before?.membership)
      return after ?? (before === undefined ? undefined : 'leave')
    }
  }
}

function innerNids(page: readonly StoredEvent[], children: ReadonlyMap<EventId, Children>): number[] {
  const nids: number[] = []
  for (const { facts } of page) {
    if (facts.stateKey !== undefined && facts.replacesNid !== undefined) nids.push(facts.replacesNid)
    if (facts.redactedByNid !== undefined) nids.push(facts.redactedByNid)
  }
  for (const { editNids, thread } of children.values()) {
    nids.push(...editNids)
    if (thread !== undefined) nids.push(thread.latestNid)
  }
  return nids
}
