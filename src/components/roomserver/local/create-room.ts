import { randomInt } from 'node:crypto'
import { buildEvent } from '../../../protocol/event/build.js'
import type { Pdu } from '../../../protocol/event/pdu.js'
import { type RoomId, roomIdOf } from '../../../protocol/ids.js'
import type { JsonObject } from '../../../protocol/json.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import { type RoomVersion, roomVersion } from '../../../protocol/room-version.js'
import type { EventDraft, NewRoom, SentEvent } from '../api.js'
import { Facts } from '../facts.js'
import type { IdBlock } from '../id-block.js'
import type { PlannedEvent } from '../planned.js'
import type { PlanningContext } from '../planning-context.js'
import { effectsOf } from '../state/effects.js'
import { RoomHead } from '../state/room-head.js'
import { NO_STATE, nextSnapshot } from '../state/snapshots.js'
import type { Replanned, WorkUnit } from '../writer/batch-writer.js'
import { checkNames } from './check-names.js'
import { sentEvent } from './draft-unit.js'
import type { SenderParts } from './local-sender.js'
import { eventOfPdu, planDraft, wantDraft } from './plan-draft.js'

export interface CreatedRoom {
  readonly roomId: RoomId
  readonly events: readonly SentEvent[]
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const OPAQUE_LENGTH = 18

/** A new room on its way into the store, whole or not at all. */
export class RoomUnit implements WorkUnit {
  readonly created: Promise<CreatedRoom>
  readonly #room: NewRoom
  readonly #version: RoomVersion
  readonly #parts: SenderParts
  readonly #roomNids: IdBlock
  #planned: readonly PlannedEvent[] = []
  #resolve: (created: CreatedRoom) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  /** @throws MatrixError M_UNSUPPORTED_ROOM_VERSION */
  constructor(room: NewRoom, parts: SenderParts, roomNids: IdBlock) {
    const version = roomVersion(room.version)
    if (version === undefined) {
      throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${room.version} is not known here`)
    }
    this.#version = version
    this.#room = room
    this.#parts = parts
    this.#roomNids = roomNids
    this.created = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get planned(): readonly PlannedEvent[] {
    return this.#planned
  }

  /** Never rejects: the caller is told through `created`. */
  async submit(): Promise<void> {
    const { writer } = this.#parts
    try {
      await this.#prepare(() => writer.recovered)
      writer.submit(this)
    } catch (error) {
      this.failed(error)
    }
  }

  async replan(): Promise<Replanned> {
    await this.#prepare(() => undefined)
    return 'planned'
  }

  written(): void {
    const [create] = this.#planned
    if (create === undefined) throw new Error('a room without events was written')
    this.#resolve({ roomId: create.room.roomId, events: this.#planned.map(({ event }) => sentEvent(event)) })
  }

  failed(error: unknown): void {
    this.#reject(error)
  }

  async #prepare(gate: () => Promise<void> | undefined): Promise<void> {
    const { events, nids, pending, context } = this.#parts
    const facts = new Facts(events, nids, pending)
    this.#wantNames(facts)
    const count = this.#room.events.length + 1
    for (;;) {
      const wait = gate() ?? context.idsReady(count) ?? this.#roomNids.ready(1)
      if (wait !== undefined) await wait
      else if (!facts.complete) await facts.load()
      else if (this.#plan(facts)) return
    }
  }

  #wantNames(facts: Facts): void {
    facts.wantType('m.room.create')
    facts.wantStateKey('')
    for (const draft of this.#room.events) {
      checkNames(draft)
      facts.wantType(draft.type)
      if (draft.stateKey !== undefined) facts.wantStateKey(draft.stateKey)
    }
  }

  /** Plans all events without waiting. False: something has to be read first; nothing of the plan is left. */
  #plan(facts: Facts): boolean {
    const { context, heads } = this.#parts
    const planned: PlannedEvent[] = []
    const undo = (): void => {
      const [create] = planned
      if (create !== undefined) heads.drop([create.room])
      for (const one of planned) context.settle(one)
    }
    try {
      const create = planCreate(this.#room, this.#version, this.#roomNids.take(), facts, context)
      planned.push(create)
      for (const partial of this.#room.events) {
        const draft: EventDraft = { ...partial, roomId: create.room.roomId }
        wantDraft(create.room, draft, facts)
        if (!facts.complete) {
          undo()
          return false
        }
        planned.push(planDraft(create.room, draft, facts, context))
      }
      this.#planned = planned
      return true
    } catch (error) {
      undo()
      throw error
    }
  }
}

/** The event that makes the room, on a head that has nothing yet. */
function planCreate(
  room: NewRoom,
  version: RoomVersion,
  roomNid: number,
  facts: Facts,
  context: PlanningContext,
): PlannedEvent {
  const pdu = buildCreate(room, version, context)
  const counts = { joined: 0, invited: 0, localJoined: 0 }
  const point = { extremities: [], depth: 0, snapshot: NO_STATE, counts }
  const head = new RoomHead({ nid: roomNid, roomId: pdu.roomId, version }, 0, point, new Map())
  head.isNew = true
  const draft = room.transaction === undefined ? {} : { transaction: room.transaction }
  const event = eventOfPdu(pdu, head, [], draft, facts, context)
  const effects = effectsOf(head, [{ type: pdu.type, stateKey: '', event }], facts, context.serverName, () => '[]')
  const entry = { typeNid: event.facts.typeNid, stateKeyNid: facts.stateKeyNid(''), eventNid: event.nid }
  const { snapshot, ref } = nextSnapshot(NO_STATE, [entry], 1, context.snapshotIds, () => [entry])
  const planned: PlannedEvent = {
    room: head,
    event,
    prevEventIds: [],
    missingPrevEventIds: [],
    closesGap: false,
    inTimeline: true,
    transaction: room.transaction,
    containsUrl: false,
    relation: undefined,
    redactions: [],
    settledRedactions: [],
    releasedRedactions: [],
    waitsForTarget: undefined,
    snapshots: [snapshot],
    changes: effects.changes,
    members: [],
    after: {
      extremities: [{ nid: event.nid, eventId: event.eventId, depth: event.depth }],
      depth: event.depth,
      snapshot: ref,
      counts,
    },
  }
  context.advance(planned)
  return planned
}

function buildCreate(room: NewRoom, version: RoomVersion, { time, signer }: PlanningContext): Pdu {
  const content: JsonObject = {
    ...room.creationContent,
    ...(version.creatorFromSender ? {} : { creator: room.creator }),
    room_version: version.id,
  }
  const place = { version, now: time.now(), prev: [], auth: [], depth: 1 }
  const opaque = Array.from({ length: OPAQUE_LENGTH }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('')
  return buildEvent(
    { sender: room.creator, type: 'm.room.create', stateKey: '', content },
    version.roomIdIsCreateHash ? place : { ...place, roomId: roomIdOf(opaque, signer.serverName) },
    signer,
  )
}
