/**
 * From a draft to an event of this server: authorised against the head of its room, chained on its forward extremities,
 * signed, with everything that it changes. Nothing here waits: `wantDraft` asks for what `planDraft` uses.
 */
import { type AuthSubject, authTypesFor, checkAuth, mayRedact } from '../../../protocol/auth/index.js'
import { buildEvent, type EventPlace } from '../../../protocol/event/build.js'
import { type Pdu, stateTuple } from '../../../protocol/event/pdu.js'
import type { EventId } from '../../../protocol/ids.js'
import { canonicalJson, getString } from '../../../protocol/json.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { EventDraft } from '../api.js'
import type { Facts } from '../facts.js'
import { strippedStateFor, wantStrippedState } from '../membership/stripped-state.js'
import type { NewSnapshot, PlannedEvent } from '../planned.js'
import type { PlanningContext } from '../planning-context.js'
import { applied } from '../redactions.js'
import { relationIn, threadRootOf } from '../relations.js'
import { StoredEvent, VERDICT } from '../room-event.js'
import { effectsOf, type StateEffects, wantEffects } from '../state/effects.js'
import { HeadState, wantHeadEvent } from '../state/head-state.js'
import type { Extremity, HeadPoint, RoomHead, SnapshotRef } from '../state/room-head.js'
import { isFullSnapshotDue, nextSnapshot } from '../state/snapshots.js'
import { wantWholeState, wholeStateAfter } from '../state/whole-state.js'

/** SS API "PDUs": an event names at most 20 predecessors; fewer keep it small and heal a fork all the same. */
const MAX_PREV_EVENTS = 10

/** Asks for everything that planning the draft on this head needs. */
export function wantDraft(head: RoomHead, draft: EventDraft, facts: Facts): void {
  const { type, stateKey, content, sender } = draft
  facts.wantType(type)
  wantHeadEvent(head, 'm.room.create', '', facts)
  for (const [neededType, neededKey] of authTypesFor(subjectOf(head, draft))) {
    wantHeadEvent(head, neededType, neededKey, facts)
  }
  if (head.version.referencesWithHashes) {
    for (const { nid } of head.point.extremities.slice(-MAX_PREV_EVENTS)) facts.wantEvent(nid)
  }
  threadRootOf(content, facts)
  if (draft.redacts !== undefined) facts.wantEventById(draft.redacts)
  if (stateKey === undefined) return
  wantEffects(head, [{ type, stateKey }], facts)
  if (type === 'm.room.member') wantStrippedState(head, sender, facts)
  if (head.point.snapshot !== undefined && isFullSnapshotDue(head.point.snapshot, 1)) wantWholeState(head, facts)
}

/** The event that already says what the draft does, when the draft asks for it. */
export function unchangedEvent(head: RoomHead, draft: EventDraft, facts: Facts): StoredEvent | undefined {
  if (draft.unlessUnchanged !== true || draft.stateKey === undefined) return undefined
  const nid = head.planned(stateTuple(draft.type, draft.stateKey))
  if (nid === undefined) return undefined
  const event = facts.event(nid)
  return canonicalJson(event.content) === canonicalJson(draft.content) ? event : undefined
}

/**
 * Plans the event and moves the head on to it.
 * @throws MatrixError M_FORBIDDEN (auth rules, redaction not allowed), M_NOT_FOUND (target of a redaction), M_TOO_LARGE,
 * M_BAD_JSON
 */
export function planDraft(head: RoomHead, draft: EventDraft, facts: Facts, context: PlanningContext): PlannedEvent {
  const state = new HeadState(head, facts)
  const prev = head.point.extremities.slice(-MAX_PREV_EVENTS)
  const { pdu, authEventNids } = build(head, draft, state, prev, facts, context)
  const verdict = checkAuth(pdu, state)
  if (!verdict.allowed) throw new MatrixError('M_FORBIDDEN', verdict.reason)
  const redaction = judgeRedaction(pdu, head, facts, state)
  const event = eventOfPdu(pdu, head, authEventNids, draft, facts, context)
  const effects = stateEffects(head, event, facts, context)
  const { snapshot, snapshots } = snapshotAfter(head, event, effects, facts, context)
  const rest = head.point.extremities.slice(0, -prev.length || undefined)
  const after: HeadPoint = {
    extremities: [...rest, { nid: event.nid, eventId: event.eventId, depth: event.depth }],
    depth: Math.max(head.point.depth, event.depth),
    snapshot,
    counts: effects.counts,
  }
  const planned: PlannedEvent = {
    room: head,
    event,
    prevEventIds: pdu.prevEvents,
    missingPrevEventIds: [],
    closesGap: false,
    inTimeline: true,
    transaction: draft.transaction,
    containsUrl: getString(pdu.content, 'url') !== undefined,
    relation: relationIn(pdu.content),
    redactions: redaction.target === undefined ? [] : [applied(redaction.target, event)],
    settledRedactions: [],
    releasedRedactions: [],
    waitsForTarget: redaction.waitsFor,
    snapshots,
    changes: effects.changes,
    members: effects.members,
    after,
  }
  context.advance(planned)
  return planned
}

function build(
  head: RoomHead,
  draft: EventDraft,
  state: HeadState,
  prev: readonly Extremity[],
  facts: Facts,
  context: PlanningContext,
): { pdu: Pdu; authEventNids: number[] } {
  const { version } = head
  const authEvents: StoredEvent[] = []
  for (const [type, stateKey] of authTypesFor(subjectOf(head, draft))) {
    const event = state.event(type, stateKey)
    if (event !== undefined) authEvents.push(event)
  }
  const place: EventPlace = {
    version,
    now: context.time.now(),
    prev: prev.map(({ eventId }) => eventId),
    auth: authEvents.map(({ eventId }) => eventId),
    depth: Math.min(prev.reduce((deepest, { depth }) => Math.max(deepest, depth), 0) + 1, Number.MAX_SAFE_INTEGER),
    roomId: head.roomId,
  }
  const named = version.referencesWithHashes ? [...prev.map(({ nid }) => facts.event(nid)), ...authEvents] : []
  const referenceHashes = new Map(named.map((event) => [event.eventId, event.referenceHash]))
  const pdu = buildEvent(draft, { ...place, referenceHashes }, context.signer)
  return { pdu, authEventNids: authEvents.map(({ nid }) => nid) }
}

function subjectOf({ version }: RoomHead, { type, sender, stateKey, content }: EventDraft): AuthSubject {
  return { version, type, sender, stateKey, content }
}

export function eventOfPdu(
  pdu: Pdu,
  head: RoomHead,
  authEventNids: readonly number[],
  draft: Pick<EventDraft, 'transaction'>,
  facts: Facts,
  context: PlanningContext,
): StoredEvent {
  return new StoredEvent(
    {
      nid: context.eventNids.take(),
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
      snapshotId: head.point.snapshot?.id,
      verdict: VERDICT.accepted,
      authEventNids,
      redactedBy: undefined,
      redactedByNid: undefined,
      replacesNid: pdu.stateKey === undefined ? undefined : head.planned(stateTuple(pdu.type, pdu.stateKey)),
      txnDeviceId: draft.transaction?.deviceId,
      txnId: draft.transaction?.txnId,
      threadRoot: threadRootOf(pdu.content, facts),
      json: pdu.json,
    },
    pdu,
  )
}

function stateEffects(head: RoomHead, event: StoredEvent, facts: Facts, context: PlanningContext): StateEffects {
  if (event.stateKey === undefined) return { changes: [], members: [], counts: head.point.counts }
  const wanted = [{ type: event.type, stateKey: event.stateKey, event }]
  return effectsOf(head, wanted, facts, context.serverName, (member) => strippedStateFor(head, member, facts))
}

/** A message keeps the snapshot of the head; a state event makes the next one. */
function snapshotAfter(
  head: RoomHead,
  event: StoredEvent,
  effects: StateEffects,
  facts: Facts,
  context: PlanningContext,
): { snapshot: SnapshotRef | undefined; snapshots: NewSnapshot[] } {
  const base = head.point.snapshot
  const change = effects.changes[0]
  if (base === undefined || change === undefined) return { snapshot: base, snapshots: [] }
  const delta = [{ typeNid: change.typeNid, stateKeyNid: change.stateKeyNid, eventNid: event.nid }]
  const stateSize = head.plannedSize + (change.replaced === undefined ? 1 : 0)
  const { snapshot, ref } = nextSnapshot(base, delta, stateSize, context.snapshotIds, () =>
    wholeStateAfter(head, effects.changes, facts),
  )
  return { snapshot: ref, snapshots: [snapshot] }
}

/**
 * Whether a redaction may be sent, and what it does. Up to room version 2 the auth rules have decided already; later the
 * room's servers judge it by themselves, and this server does not send what all others would ignore.
 */
function judgeRedaction(
  pdu: Pdu,
  head: RoomHead,
  facts: Facts,
  state: HeadState,
): { target?: StoredEvent; waitsFor: EventId | undefined } {
  if (pdu.type !== 'm.room.redaction' || pdu.redacts === undefined) return { waitsFor: undefined }
  const target = facts.eventById(pdu.redacts)
  if (target === undefined) {
    if (!mayRedact(pdu.sender, state)) throw new MatrixError('M_NOT_FOUND', 'The event to redact is not here')
    return { waitsFor: pdu.redacts }
  }
  if (target.roomId !== head.roomId) throw new MatrixError('M_INVALID_PARAM', 'There is no such event in this room')
  if (target.type === 'm.room.create') throw new MatrixError('M_FORBIDDEN', 'm.room.create cannot be redacted')
  // Servers let anybody of the sender's server redact; which of its users may is for that server to see to.
  if (target.sender !== pdu.sender && !mayRedact(pdu.sender, state)) {
    throw new MatrixError('M_FORBIDDEN', 'You may not redact this event')
  }
  return target.redactedBy === undefined ? { target, waitsFor: undefined } : { waitsFor: undefined }
}
