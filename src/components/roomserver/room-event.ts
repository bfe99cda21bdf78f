import { referenceHash } from '../../protocol/event/hashes.js'
import type { Pdu } from '../../protocol/event/pdu.js'
import { readStoredPdu } from '../../protocol/event/read-pdu.js'
import type { EventId, RoomId, UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject, parseStoredJson } from '../../protocol/json.js'
import type { RoomVersion } from '../../protocol/room-version.js'
import { roomVersion } from '../../protocol/room-version.js'
import type { RoomEvent } from './api.js'

export const VERDICT = { accepted: 0, softFailed: 1, rejected: 2 } as const
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT]

/** A row of roomserver.events with the names behind its integers. Select it with EVENT_COLUMNS of store/events.ts. */
export interface EventRow {
  readonly event_nid: number
  readonly event_id: EventId
  readonly room_nid: number
  readonly room_id: RoomId
  readonly room_version: string
  readonly type_nid: number
  readonly type: string
  readonly state_key_nid: number | null
  readonly state_key: string | null
  readonly sender: UserId
  readonly depth: number
  readonly origin_server_ts: number
  readonly position: number | null
  readonly snapshot_id: number | null
  readonly verdict: Verdict
  readonly auth_event_nids: number[]
  readonly redacted_by: EventId | null
  readonly redacted_by_nid: number | null
  readonly replaces_nid: number | null
  readonly txn_device_id: string | null
  readonly txn_id: string | null
  readonly thread_root: EventId | null
  readonly json: string
}

/** What is known of an event beside its JSON. */
export interface EventFacts {
  readonly nid: number
  readonly eventId: EventId
  readonly roomNid: number
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly typeNid: number
  readonly type: string
  readonly stateKeyNid: number | undefined
  readonly stateKey: string | undefined
  readonly sender: UserId
  readonly depth: number
  readonly originServerTs: number
  readonly position: number | undefined
  /** State before it; 0 is the empty state, undefined an outlier. */
  readonly snapshotId: number | undefined
  readonly verdict: Verdict
  readonly authEventNids: readonly number[]
  readonly redactedBy: EventId | undefined
  readonly redactedByNid: number | undefined
  /** The event it replaced in the current state when it became current. */
  readonly replacesNid: number | undefined
  readonly txnDeviceId: string | undefined
  readonly txnId: string | undefined
  readonly threadRoot: EventId | undefined
  readonly json: string
}

/**
 * An event of this server's store. Immutable but for its position, which it gets when it is written; a redaction makes
 * another object (`redacted`), so whatever was derived from this one and kept beside it goes with it.
 */
export class StoredEvent implements RoomEvent {
  readonly facts: EventFacts
  #position: number | undefined
  #pdu: Pdu | undefined
  #referenceHash: string | undefined

  constructor(facts: EventFacts, pdu?: Pdu) {
    this.facts = facts
    this.#position = facts.position
    this.#pdu = pdu
  }

  get nid(): number {
    return this.facts.nid
  }
  get eventId(): EventId {
    return this.facts.eventId
  }
  get roomId(): RoomId {
    return this.facts.roomId
  }
  get type(): string {
    return this.facts.type
  }
  get stateKey(): string | undefined {
    return this.facts.stateKey
  }
  get sender(): UserId {
    return this.facts.sender
  }
  get depth(): number {
    return this.facts.depth
  }
  get position(): number | undefined {
    return this.#position
  }
  get originServerTs(): number {
    return this.facts.originServerTs
  }
  get content(): JsonObject {
    return this.pdu.content
  }
  get snapshotId(): number | undefined {
    return this.facts.snapshotId
  }
  get threadRoot(): EventId | undefined {
    return this.facts.threadRoot
  }
  get redactedBy(): EventId | undefined {
    return this.facts.redactedBy
  }
  get verdict(): Verdict {
    return this.facts.verdict
  }
  get version(): RoomVersion {
    return this.facts.version
  }

  get pdu(): Pdu {
    this.#pdu ??= readStoredPdu(this.facts.version, this.facts, this.facts.json)
    return this.#pdu
  }

  /** What events of room versions 1 and 2 write down beside its id. A redaction leaves it as it is. */
  get referenceHash(): string {
    if (this.#referenceHash === undefined) {
      const json = parseStoredJson(this.facts.json)
      if (!isJsonObject(json)) throw new Error(`the stored event ${this.eventId} cannot be read`)
      this.#referenceHash = referenceHash(this.version, json)
    }
    return this.#referenceHash
  }

  /** Bytes it occupies in a cache, roughly: its text and, once parsed, the objects made of it. */
  get cost(): number {
    return 600 + this.facts.json.length * 4
  }

  /** Its place on the clock, known when the batch that writes it takes its positions. */
  placeAt(position: number): void {
    this.#position = position
  }

  /** The same event after a redaction: `pdu` is the pruned one. */
  redacted(pdu: Pdu, by: { nid: number; eventId: EventId }): StoredEvent {
    const facts: EventFacts = {
      ...this.facts,
      position: this.#position,
      json: pdu.json,
      redactedBy: by.eventId,
      redactedByNid: by.nid,
      threadRoot: undefined,
    }
    return new StoredEvent(facts, pdu)
  }
}

/** @throws Error for a room version that this program does not know: such a room never gets into the store */
export function eventOfRow(row: EventRow): StoredEvent {
  return new StoredEvent({
    nid: row.event_nid,
    eventId: row.event_id,
    roomNid: row.room_nid,
    roomId: row.room_id,
    version: storedVersion(row.room_version),
    typeNid: row.type_nid,
    type: row.type,
    stateKeyNid: row.state_key_nid ?? undefined,
    stateKey: row.state_key ?? undefined,
    sender: row.sender,
    depth: row.depth,
    originServerTs: row.origin_server_ts,
    position: row.position ?? undefined,
    snapshotId: row.snapshot_id ?? undefined,
    verdict: row.verdict,
    authEventNids: row.auth_event_nids,
    redactedBy: row.redacted_by ?? undefined,
    redactedByNid: row.redacted_by_nid ?? undefined,
    replacesNid: row.replaces_nid ?? undefined,
    txnDeviceId: row.txn_device_id ?? undefined,
    txnId: row.txn_id ?? undefined,
    threadRoot: row.thread_root ?? undefined,
    json: row.json,
  })
}

export function storedVersion(id: string): RoomVersion {
  const version = roomVersion(id)
  if (version === undefined) throw new Error(`the store holds a room of unknown version ${id}`)
  return version
}
