import type { Database } from '../../../platform/database.js'
import { mayApplyRedaction } from '../../../protocol/auth/index.js'
import { type StateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { EventId } from '../../../protocol/ids.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import { Facts } from '../facts.js'
import type { IdBlock } from '../id-block.js'
import type { SenderParts } from '../local/local-sender.js'
import type { PlannedEvent } from '../planned.js'
import { type StoredEvent, VERDICT, type Verdict } from '../room-event.js'
import { HeadState } from '../state/head-state.js'
import { RoomHead } from '../state/room-head.js'
import { NO_STATE } from '../state/snapshots.js'
import { type LoadedState, type StateEntry, StateLoader } from '../state/state-loader.js'
import { SELECT_EVENTS_WITH_CHILDREN } from '../store/event-edges.js'
import { SELECT_PENDING_REDACTIONS } from '../store/event-redactions.js'
import type { Replanned, WorkUnit } from '../writer/batch-writer.js'
import { coveredBy, extremitiesAfter, hasState, stateBefore, stateOverExtremities } from './event-place.js'
import {
  LoadedAuthState,
  planReceived,
  type ReceivedEvent,
  type ReceivedFacts,
  type ReceivedPlace,
  snapshotOf,
  wantDifferences,
  wantReceived,
} from './plan-received.js'

/** What became of an event from elsewhere. */
export interface PersistedEvent {
  readonly eventId: EventId
  readonly verdict: Verdict
  /** Undefined: readers are not shown it. */
  readonly position: number | undefined
  /** It was here before. */
  readonly wasKnown: boolean
}

/** Stores events that were made elsewhere. Those of one room one after the other, in the order they come. */
export class Receiver {
  readonly #parts: SenderParts
  readonly #database: Database
  readonly #loader: StateLoader
  readonly #roomNids: IdBlock

  constructor(parts: SenderParts, database: Database, roomNids: IdBlock) {
    this.#parts = parts
    this.#database = database
    this.#loader = new StateLoader(database, parts.events, parts.nids)
    this.#roomNids = roomNids
  }

  /**
   * Ends when the event is durable. An m.room.create of a room that is not known here makes the room.
   * @throws MatrixError M_NOT_FOUND for an event of an unknown room, or one without anything known before it
   */
  persist(received: ReceivedEvent): Promise<PersistedEvent> {
    const unit = new ReceivedUnit(received, (one) => this.#plan(one, true))
    void this.#submit(unit)
    return unit.persisted
  }

  async #submit(unit: ReceivedUnit): Promise<void> {
    try {
      await this.#parts.locks.run(unit.received.pdu.roomId, () => this.#plan(unit, false))
    } catch (error) {
      unit.failed(error)
    }
  }

  /** Reads, then looks whether the head has moved meanwhile, and if not plans in the same turn of the event loop. */
  async #plan(unit: ReceivedUnit, inRecovery: boolean): Promise<Replanned> {
    const { writer, context, heads } = this.#parts
    const { pdu } = unit.received
    const gate = (): Promise<void> | undefined => (inRecovery ? undefined : writer.recovered)
    const facts = new Facts(this.#parts.events, this.#parts.nids, this.#parts.pending)
    for (;;) {
      await gate()
      const head = await this.#head(unit.received)
      const { generation } = head
      const stored = await this.#stored(unit, facts)
      if (stored !== undefined && this.#parts.pending.get(stored.nid) === undefined) {
        unit.answer(stored)
        return 'answered'
      }
      const isLinear = followsOnHead(head, pdu.prevEvents)
      if (head.unsettled > 0 && (!isLinear || stored !== undefined)) {
        if (inRecovery) return 'later'
        await head.whenSettled()
        continue
      }
      const known = await this.#knownOf(unit.received, facts)
      const nid = await this.#nextNid()
      const place = isLinear
        ? await this.#linearPlace(head, unit.received, facts)
        : await this.#forkedPlace({ head, received: unit.received, nid }, known, facts)
      wantReceived(head, pdu, place, facts)
      while (!facts.complete) await facts.load()
      while (context.snapshotIds.ready(1) !== undefined) await context.snapshotIds.ready(1)
      const moved = head.dropped || head.generation !== generation || (heads.peek(head.roomId) ?? head) !== head
      if (moved || gate() !== undefined) continue
      unit.plan(planReceived({ head, received: unit.received, nid, place, known }, facts, context))
      // In the turn it was planned in: nothing may fail in between without it.
      if (!inRecovery) writer.submit(unit)
      return 'planned'
    }
  }

  async #head({ pdu }: ReceivedEvent): Promise<RoomHead> {
    const head = this.#parts.heads.peek(pdu.roomId) ?? (await this.#parts.heads.load([pdu.roomId])).get(pdu.roomId)
    if (head !== undefined) return head
    if (pdu.type !== 'm.room.create') throw new MatrixError('M_NOT_FOUND', 'Unknown room')
    for (let wait = this.#roomNids.ready(1); wait !== undefined; wait = this.#roomNids.ready(1)) await wait
    const counts = { joined: 0, invited: 0, localJoined: 0 }
    const point = { extremities: [], depth: 0, snapshot: NO_STATE, counts }
    const made = new RoomHead(
      { nid: this.#roomNids.take(), roomId: pdu.roomId, version: pdu.version },
      0,
      point,
      new Map(),
    )
    made.isNew = true
    return made
  }

  /** The event itself, when it is here; asks for what it names, too. */
  async #stored({ received: { pdu } }: ReceivedUnit, facts: Facts): Promise<StoredEvent | undefined> {
    const named = [pdu.eventId, ...pdu.prevEvents, ...pdu.authEvents]
    for (const eventId of named) facts.wantEventById(eventId)
    if (!facts.complete) await facts.load()
    return facts.eventById(pdu.eventId)
  }

  async #knownOf({ pdu }: ReceivedEvent, facts: Facts): Promise<ReceivedFacts> {
    const [children, pending] = await Promise.all([
      this.#database.run(SELECT_EVENTS_WITH_CHILDREN, [pdu.eventId]),
      this.#database.run(SELECT_PENDING_REDACTIONS, [pdu.eventId]),
    ])
    for (const { event_nid } of pending) facts.wantEvent(event_nid)
    if (!facts.complete) await facts.load()
    const redactions: { event: StoredEvent; allowed: boolean }[] = []
    for (const { event_nid } of pending) {
      const event = facts.event(event_nid)
      redactions.push({ event, allowed: await this.#mayRedactNow(event, pdu, facts) })
    }
    return {
      hasChildren: children.length > 0,
      redactions,
      missingPrevEventIds: pdu.prevEvents.filter((eventId) => facts.eventById(eventId) === undefined),
    }
  }

  async #mayRedactNow(redaction: StoredEvent, target: ReceivedEvent['pdu'], facts: Facts): Promise<boolean> {
    if (redaction.verdict !== VERDICT.accepted || !hasState(redaction)) return false
    const states = await this.#loader.states([redaction.snapshotId])
    const state = new LoadedAuthState((tuple) => states.get(redaction.snapshotId)?.get(tuple)?.nid, facts)
    state.want(redaction.pdu)
    if (!facts.complete) await facts.load()
    return mayApplyRedaction(redaction.pdu, target, state)
  }

  /** It follows on everything that is known: the state before it is the current state. */
  async #linearPlace(head: RoomHead, { pdu, judge }: ReceivedEvent, facts: Facts): Promise<ReceivedPlace> {
    const asked = new LoadedAuthState((tuple) => head.planned(tuple), facts)
    asked.want(pdu)
    if (!facts.complete) await facts.load()
    const state = new HeadState(head, facts)
    const ref = head.point.snapshot ?? NO_STATE
    return {
      verdict: judge(state, state),
      before: { ref, snapshots: [] },
      beforeState: state,
      current: undefined,
      extremities: undefined,
    }
  }

  /** Taken early, and lost when the plan has to be made again: its event is compared with others meanwhile. */
  async #nextNid(): Promise<number> {
    const { eventNids } = this.#parts.context
    for (let wait = eventNids.ready(1); wait !== undefined; wait = eventNids.ready(1)) await wait
    return eventNids.take()
  }

  async #forkedPlace(newcomer: Newcomer, known: ReceivedFacts, facts: Facts): Promise<ReceivedPlace> {
    const { head, received } = newcomer
    const { pdu, judge } = received
    const { snapshotIds } = this.#parts.context
    const before = await this.#stateBefore(head, received, facts)
    const beforeState = new LoadedAuthState((tuple) => before.state.get(tuple)?.nid, facts)
    const currentState = new LoadedAuthState((tuple) => head.planned(tuple), facts)
    beforeState.want(pdu)
    currentState.want(pdu)
    const base = { ref: await this.#loader.snapshotRef(before.baseId), state: before.base }
    wantDifferences(base, before.state, facts)
    while (!facts.complete) await facts.load()
    const verdict = judge(beforeState, currentState)
    for (let wait = snapshotIds.ready(1); wait !== undefined; wait = snapshotIds.ready(1)) await wait
    const snapshot = snapshotOf(base, before.state, facts, this.#parts.context)
    const place = { verdict, before: snapshot, beforeState }
    if (verdict !== VERDICT.accepted || known.hasChildren)
      return { ...place, current: undefined, extremities: undefined }
    return { ...place, ...(await this.#after(newcomer, before.state, facts)) }
  }

  /** The forward extremities and the current state, once the event is accepted. */
  async #after(
    { head, received: { pdu }, nid }: Newcomer,
    before: LoadedState,
    facts: Facts,
  ): Promise<Pick<ReceivedPlace, 'current' | 'extremities'>> {
    for (coveredBy(pdu.prevEvents, facts); !facts.complete; coveredBy(pdu.prevEvents, facts)) await facts.load()
    const own = { nid, eventId: pdu.eventId, depth: pdu.depth }
    const extremities = extremitiesAfter(head, own, pdu.prevEvents, facts)
    const others = await this.#parts.events.byNids(extremities.filter((one) => one !== own).map((one) => one.nid))
    const after = pdu.stateKey === undefined ? before : new Map(before).set(stateTuple(pdu.type, pdu.stateKey), own)
    const event = { nid, eventId: pdu.eventId, pdu, verdict: VERDICT.accepted }
    return { current: await stateOverExtremities({ head, after, event }, others.values(), this.#loader), extremities }
  }

  async #stateBefore(
    head: RoomHead,
    { pdu, stateBefore: given }: ReceivedEvent,
    facts: Facts,
  ): Promise<{ state: LoadedState; baseId: number; base: LoadedState }> {
    if (given !== undefined) {
      const events = await this.#parts.events.byIds(given.values())
      const state = new Map<StateTuple, StateEntry>()
      for (const [tuple, eventId] of given) {
        const event = events.get(eventId)
        if (event !== undefined) state.set(tuple, event)
      }
      return { state, baseId: NO_STATE.id, base: new Map() }
    }
    const predecessors = pdu.prevEvents.flatMap((eventId) => facts.eventById(eventId) ?? [])
    const found = await stateBefore(head, predecessors, this.#loader)
    if (found === undefined) throw new MatrixError('M_NOT_FOUND', 'Nothing is known of what was before the event')
    return found
  }
}

interface Newcomer {
  readonly head: RoomHead
  readonly received: ReceivedEvent
  readonly nid: number
}

function followsOnHead(head: RoomHead, prevEventIds: readonly EventId[]): boolean {
  const { extremities } = head.point
  const named = new Set(prevEventIds)
  return extremities.length === named.size && extremities.every(({ eventId }) => named.has(eventId))
}

/** One event from elsewhere on its way into the store. */
class ReceivedUnit implements WorkUnit {
  readonly received: ReceivedEvent
  readonly persisted: Promise<PersistedEvent>
  readonly #planAnew: (unit: ReceivedUnit) => Promise<Replanned>
  #planned: readonly PlannedEvent[] = []
  #resolve: (persisted: PersistedEvent) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(received: ReceivedEvent, planAnew: (unit: ReceivedUnit) => Promise<Replanned>) {
    this.received = received
    this.#planAnew = planAnew
    this.persisted = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get planned(): readonly PlannedEvent[] {
    return this.#planned
  }

  plan(planned: PlannedEvent): void {
    this.#planned = [planned]
  }

  replan(): Promise<Replanned> {
    this.#planned = []
    return this.#planAnew(this)
  }

  /** It was here before. */
  answer(event: StoredEvent): void {
    this.#resolve(persistedEvent(event, true))
  }

  written(): void {
    const event = this.#planned[0]?.event
    if (event === undefined) throw new Error('an event without a plan was written')
    this.#resolve(persistedEvent(event, false))
  }

  failed(error: unknown): void {
    this.#reject(error)
  }
}

function persistedEvent({ eventId, verdict, position }: StoredEvent, wasKnown: boolean): PersistedEvent {
  return { eventId, verdict, position, wasKnown }
}
