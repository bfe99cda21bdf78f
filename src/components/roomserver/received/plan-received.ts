/**
 * Plans an event that was made elsewhere (or long ago): its predecessors are its own, the state before it is what their
 * states resolve to, and the room after it has whatever extremities and state follow.
 */
import { type AuthState, authTypesFor, mayApplyRedaction } from '../../../protocol/auth/index.js'
import { type Pdu, type StateTuple, splitStateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { EventId } from '../../../protocol/ids.js'
import { getString } from '../../../protocol/json.js'
import type { Facts } from '../facts.js'
import { strippedStateFor, wantStrippedState } from '../membership/stripped-state.js'
import type { AppliedRedaction, NewSnapshot, PlannedEvent, SnapshotEntry } from '../planned.js'
import type { PlanningContext } from '../planning-context.js'
import { applied } from '../redactions.js'
import { relationIn, threadRootOf } from '../relations.js'
import { StoredEvent, VERDICT, type Verdict } from '../room-event.js'
import { effectsOf, type WantedChange, wantEffects } from '../state/effects.js'
import type { HeadPoint, RoomHead, SnapshotRef } from '../state/room-head.js'
import { isFullSnapshotDue, nextSnapshot } from '../state/snapshots.js'
import type { LoadedState, StateEntry } from '../state/state-loader.js'

/** An event from elsewhere that has passed the checks of its format, hashes and signatures. */
export interface ReceivedEvent {
  readonly pdu: Pdu
  /** The verdict of the auth rules, given the state before it and the current state of the room. */
  readonly judge: (before: AuthState, current: AuthState) => Verdict
  /** State before it as another server says, where none of its predecessors is here. Its events have to be stored. */
  readonly stateBefore?: ReadonlyMap<StateTuple, EventId>
}

/** State with events that were asked for. */
export class LoadedAuthState implements AuthState {
  readonly #state: (tuple: StateTuple) => number | undefined
  readonly #facts: Facts

  constructor(state: (tuple: StateTuple) => number | undefined, facts: Facts) {
    this.#state = state
    this.#facts = facts
  }

  get(type: string, stateKey: string): Pdu | undefined {
    const nid = this.#state(stateTuple(type, stateKey))
    return nid === undefined ? undefined : this.#facts.event(nid).pdu
  }

  /** Asks for what the auth rules and the handling of redactions read. */
  want(pdu: Pdu): void {
    for (const [type, stateKey] of [...authTypesFor(pdu), ['m.room.create', ''] as const]) {
      this.#facts.wantEvent(this.#state(stateTuple(type, stateKey)))
    }
  }
}

/** What the store says about an event before it is planned. */
export interface ReceivedFacts {
  /** The event has accepted successors here already: it came late. */
  readonly hasChildren: boolean
  /** Redactions that waited for it and take effect, or turn out not to be allowed. */
  readonly redactions: readonly { readonly event: StoredEvent; readonly allowed: boolean }[]
  readonly missingPrevEventIds: readonly EventId[]
}

/** The states that an event stands between. */
export interface ReceivedPlace {
  readonly verdict: Verdict
  /** Snapshot of the state before it, and what has to be written for it. */
  readonly before: { readonly ref: SnapshotRef; readonly snapshots: readonly NewSnapshot[] }
  /** State before it, as the auth rules read it. */
  readonly beforeState: AuthState
  /** The current state after it; undefined: the head's with the event itself, since it follows on all extremities. */
  readonly current: LoadedState | undefined
  readonly extremities: HeadPoint['extremities'] | undefined
}

/** Differences of two states as entries of a snapshot; what they name has to have been asked for. */
export function differences(base: LoadedState, target: LoadedState, facts: Facts): SnapshotEntry[] {
  const entries: SnapshotEntry[] = []
  const add = (tuple: StateTuple, eventNid: number): void => {
    const [type, stateKey] = splitStateTuple(tuple)
    entries.push({ typeNid: facts.typeNid(type), stateKeyNid: facts.stateKeyNid(stateKey), eventNid })
  }
  for (const [tuple, { nid }] of target) if (base.get(tuple)?.nid !== nid) add(tuple, nid)
  for (const tuple of base.keys()) if (!target.has(tuple)) add(tuple, 0)
  return entries
}

/** Asks for everything that `snapshotOf` names. */
export function wantDifferences(
  base: { readonly ref: SnapshotRef; readonly state: LoadedState },
  target: LoadedState,
  facts: Facts,
): void {
  const changed = new Set<StateTuple>()
  for (const [tuple, { nid }] of target) if (base.state.get(tuple)?.nid !== nid) changed.add(tuple)
  for (const tuple of base.state.keys()) if (!target.has(tuple)) changed.add(tuple)
  for (const tuple of isFullSnapshotDue(base.ref, changed.size) ? target.keys() : changed) {
    const [type, stateKey] = splitStateTuple(tuple)
    facts.wantType(type)
    facts.wantStateKey(stateKey)
  }
}

/** The snapshot of a state, as near to `base` as it is. */
export function snapshotOf(
  base: { readonly ref: SnapshotRef; readonly state: LoadedState },
  target: LoadedState,
  facts: Facts,
  context: PlanningContext,
): { ref: SnapshotRef; snapshots: NewSnapshot[] } {
  const delta = differences(base.state, target, facts)
  if (delta.length === 0) return { ref: base.ref, snapshots: [] }
  const whole = () => differences(new Map(), target, facts)
  const { snapshot, ref } = nextSnapshot(base.ref, delta, target.size, context.snapshotIds, whole)
  return { ref, snapshots: [snapshot] }
}

/** What the event and its consequences change of the head's state, in no order. */
export function changesOfHead(head: RoomHead, current: LoadedState): Map<StateTuple, StateEntry | undefined> {
  const changes = new Map<StateTuple, StateEntry | undefined>()
  for (const [tuple, entry] of current) if (head.planned(tuple) !== entry.nid) changes.set(tuple, entry)
  for (const [tuple] of head.plannedEntries()) if (!current.has(tuple)) changes.set(tuple, undefined)
  return changes
}

/** Asks for everything `planReceived` needs beyond what the place was found with. */
export function wantReceived(head: RoomHead, pdu: Pdu, place: ReceivedPlace, facts: Facts): void {
  facts.wantType(pdu.type)
  if (pdu.stateKey !== undefined) facts.wantStateKey(pdu.stateKey)
  threadRootOf(pdu.content, facts)
  if (pdu.redacts !== undefined) facts.wantEventById(pdu.redacts)
  if (place.verdict !== VERDICT.accepted) return
  if (pdu.type === 'm.room.member') wantStrippedState(head, pdu.sender, facts)
  const changed = place.current === undefined ? [] : [...changesOfHead(head, place.current)]
  for (const [tuple, entry] of changed) {
    const [type, stateKey] = splitStateTuple(tuple)
    wantEffects(head, [{ type, stateKey }], facts)
    // The event itself is in no store yet.
    if (entry !== undefined && entry.eventId !== pdu.eventId) facts.wantEvent(entry.nid)
  }
  if (pdu.stateKey !== undefined) wantEffects(head, [{ type: pdu.type, stateKey: pdu.stateKey }], facts)
  const { snapshot } = head.point
  if (snapshot === undefined || isFullSnapshotDue(snapshot, changed.length + 1)) {
    for (const tuple of place.current?.keys() ?? [...head.plannedEntries()].map(([tuple]) => tuple)) {
      const [type, stateKey] = splitStateTuple(tuple)
      facts.wantType(type)
      facts.wantStateKey(stateKey)
    }
  }
}

export interface ReceivedPlanInput {
  readonly head: RoomHead
  readonly received: ReceivedEvent
  readonly nid: number
  readonly place: ReceivedPlace
  readonly known: ReceivedFacts
}

/** Plans the event and moves the head on, without waiting. */
export function planReceived(input: ReceivedPlanInput, facts: Facts, context: PlanningContext): PlannedEvent {
  const { head, received, place, known } = input
  const { pdu } = received
  const event = storedEvent(input, facts)
  const accepted = place.verdict === VERDICT.accepted
  const consequences = accepted ? acceptedConsequences(input, event, facts, context) : nothing(head)
  const redaction = accepted ? redactionOf(pdu, head, event, place.beforeState, facts) : NO_REDACTION
  const waiting = known.redactions.map(({ event: by, allowed }) => ({ by, allowed }))
  const takesEffect = waiting.find(({ allowed }) => allowed)?.by
  const changes = consequences.changes
  const inTimeline = accepted && (redaction.isShown || changes.length > 0)
  const planned: PlannedEvent = {
    room: head,
    event,
    prevEventIds: pdu.prevEvents,
    missingPrevEventIds: known.missingPrevEventIds,
    closesGap: true,
    inTimeline,
    transaction: undefined,
    containsUrl: getString(pdu.content, 'url') !== undefined,
    relation: relationIn(pdu.content),
    redactions: [...redaction.applied, ...(takesEffect === undefined ? [] : [applied(event, takesEffect)])],
    settledRedactions: waiting.map(({ by }) => by),
    releasedRedactions: waiting
      .filter(({ by, allowed }) => allowed && inTimeline && by.position === undefined)
      .map(({ by }) => by),
    waitsForTarget: redaction.waitsFor,
    snapshots: [...place.before.snapshots, ...consequences.snapshots],
    changes,
    members: consequences.members,
    after: consequences.after,
  }
  context.advance(planned)
  return planned
}

function storedEvent({ head, received: { pdu }, nid, place }: ReceivedPlanInput, facts: Facts): StoredEvent {
  const authEvents = pdu.authEvents.map((eventId) => facts.eventById(eventId))
  const replaced = pdu.stateKey === undefined ? undefined : head.planned(stateTuple(pdu.type, pdu.stateKey))
  return new StoredEvent(
    {
      nid,
      eventId: pdu.eventId,
      roomNid: head.nid,
      roomId: head.roomId,
      version: head.version,
      typeNid: facts.typeNid(pdu.type),
      type: pdu.type,
      stateKeyNid: pdu.stateKey === undefined ? undefined : facts.stateKeyNid(pdu.stateKey),
      stateKey: pdu.stateKey,
      sender: pdu.sender,
      depth: pdu.depth,
      originServerTs: pdu.originServerTs,
      position: undefined,
      snapshotId: place.before.ref.id,
      verdict: place.verdict,
      authEventNids: authEvents.flatMap((event) => (event === undefined ? [] : [event.nid])),
      redactedBy: undefined,
      redactedByNid: undefined,
      replacesNid: place.verdict === VERDICT.accepted ? replaced : undefined,
      txnDeviceId: undefined,
      txnId: undefined,
      threadRoot: threadRootOf(pdu.content, facts),
      json: pdu.json,
    },
    pdu,
  )
}

type Consequences = Pick<PlannedEvent, 'changes' | 'members' | 'snapshots' | 'after'>

/** Of an event that is rejected or soft-failed, or that others have followed on already. */
function nothing(head: RoomHead): Consequences {
  return { changes: [], members: [], snapshots: [], after: head.point }
}

function acceptedConsequences(
  { head, place, known }: ReceivedPlanInput,
  event: StoredEvent,
  facts: Facts,
  context: PlanningContext,
): Consequences {
  if (known.hasChildren) return nothing(head)
  const wanted = place.current === undefined ? ownChange(event) : wantedChanges(head, place.current, event, facts)
  const effects = effectsOf(head, wanted, facts, context.serverName, (member) => strippedStateFor(head, member, facts))
  const entries = effects.changes.map(({ typeNid, stateKeyNid, event: of }) => ({
    typeNid,
    stateKeyNid,
    eventNid: of?.nid ?? 0,
  }))
  const { ref, snapshots } = currentSnapshot(head, place, event, entries, facts, context)
  const after: HeadPoint = {
    extremities: [
      ...(place.extremities?.filter(({ eventId }) => eventId !== event.eventId) ?? []),
      { nid: event.nid, eventId: event.eventId, depth: event.depth },
    ],
    depth: Math.max(head.point.depth, event.depth),
    snapshot: ref,
    counts: effects.counts,
  }
  return { changes: effects.changes, members: effects.members, snapshots, after }
}

function ownChange(event: StoredEvent): WantedChange[] {
  return event.stateKey === undefined ? [] : [{ type: event.type, stateKey: event.stateKey, event }]
}

function wantedChanges(head: RoomHead, current: LoadedState, event: StoredEvent, facts: Facts): WantedChange[] {
  return [...changesOfHead(head, current)].map(([tuple, entry]) => {
    const [type, stateKey] = splitStateTuple(tuple)
    if (entry === undefined) return { type, stateKey, event: undefined }
    return { type, stateKey, event: entry.eventId === event.eventId ? event : facts.event(entry.nid) }
  })
}

/** The current state is nearest to that of the head, or, after an event that follows on everything, to the one before it. */
function currentSnapshot(
  head: RoomHead,
  place: ReceivedPlace,
  event: StoredEvent,
  entries: readonly SnapshotEntry[],
  facts: Facts,
  context: PlanningContext,
): { ref: SnapshotRef; snapshots: NewSnapshot[] } {
  const base = head.point.snapshot ?? place.before.ref
  if (entries.length === 0) return { ref: base, snapshots: [] }
  const size = place.current?.size ?? head.plannedSize + (isNewKey(head, event) ? 1 : 0)
  const whole = () => wholeState(head, place.current, event, facts)
  const { snapshot, ref } = nextSnapshot(base, entries, size, context.snapshotIds, whole)
  return { ref, snapshots: [snapshot] }
}

function isNewKey(head: RoomHead, event: StoredEvent): boolean {
  return event.stateKey !== undefined && head.planned(stateTuple(event.type, event.stateKey)) === undefined
}

function wholeState(
  head: RoomHead,
  current: LoadedState | undefined,
  event: StoredEvent,
  facts: Facts,
): SnapshotEntry[] {
  const target = new Map<StateTuple, number>()
  if (current === undefined) for (const [tuple, nid] of head.plannedEntries()) target.set(tuple, nid)
  else for (const [tuple, { nid }] of current) target.set(tuple, nid)
  if (current === undefined && event.stateKey !== undefined) {
    target.set(stateTuple(event.type, event.stateKey), event.nid)
  }
  return [...target].map(([tuple, eventNid]) => {
    const [type, stateKey] = splitStateTuple(tuple)
    return { typeNid: facts.typeNid(type), stateKeyNid: facts.stateKeyNid(stateKey), eventNid }
  })
}

interface JudgedRedaction {
  readonly applied: readonly AppliedRedaction[]
  readonly waitsFor: EventId | undefined
  /** Clients are not shown a redaction that has no effect, or none yet. */
  readonly isShown: boolean
}

const NO_REDACTION: JudgedRedaction = { applied: [], waitsFor: undefined, isShown: true }

/** Room version 3, "Handling redactions": the target has to be here, and the redaction to be allowed. */
function redactionOf(pdu: Pdu, head: RoomHead, event: StoredEvent, before: AuthState, facts: Facts): JudgedRedaction {
  if (pdu.type !== 'm.room.redaction' || pdu.redacts === undefined) return NO_REDACTION
  const target = facts.eventById(pdu.redacts)
  if (target === undefined) return { applied: [], waitsFor: pdu.redacts, isShown: false }
  if (target.roomId !== head.roomId || !mayApplyRedaction(pdu, target.pdu, before)) {
    return { applied: [], waitsFor: undefined, isShown: false }
  }
  if (target.redactedBy !== undefined || target.type === 'm.room.create') return NO_REDACTION
  return { applied: [applied(target, event)], waitsFor: undefined, isShown: true }
}
