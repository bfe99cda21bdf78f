import {
  type EventId,
  eventIdOf,
  fitsBytes,
  MAX_ID_BYTES,
  parseEventId,
  type RoomId,
  roomIdOfCreateEvent,
  type ServerName,
  type UserId,
} from '../ids.js'
import { CanonicalJsonError, canonicalJson, getString, type JsonObject, parseJsonObject, quote } from '../json.js'
import { MatrixError } from '../matrix-error.js'
import type { RoomVersion } from '../room-version.js'
import { type SigningKey, signText } from '../signing.js'
import { sha256, toUrlSafe } from './hashes.js'
import { eventIdOfHash, MAX_PDU_BYTES } from './parse-pdu.js'
import type { Pdu } from './pdu.js'
import { redactContent } from './redact.js'

/** What somebody wants to say. */
export interface UnbuiltEvent {
  readonly sender: UserId
  readonly type: string
  readonly stateKey?: string
  readonly content: JsonObject
  /** The target of a redaction: put where the room version keeps it. */
  readonly redacts?: EventId
  /** Milliseconds; now when absent. */
  readonly originServerTs?: number
}

/** Where in the room it is said. */
export interface EventPlace {
  readonly version: RoomVersion
  /** Milliseconds since 1970. */
  readonly now: number
  readonly prev: readonly EventId[]
  readonly auth: readonly EventId[]
  readonly depth: number
  /** Absent for the create event of a version where the room id is its hash. */
  readonly roomId?: RoomId
  /** Reference hashes of `prev` and `auth`, which only room versions 1 and 2 write down. */
  readonly referenceHashes?: ReadonlyMap<EventId, string>
}

export interface Signer {
  readonly serverName: ServerName
  readonly key: SigningKey
}

/**
 * A complete event of this server: hashed, signed, with its id. Server-server API "Adding hashes and signatures to
 * outgoing events".
 *
 * The canonical text is put together from parts that are each made once. What is signed and what the event id is the
 * hash of are the same text: the redacted event with its content hash and without signatures.
 *
 * @throws MatrixError M_TOO_LARGE (more than 65,536 bytes, or 255 of a type, state key or id), M_BAD_JSON (a number
 *   that the room version does not allow, a lone surrogate)
 */
export function buildEvent(draft: UnbuiltEvent, place: EventPlace, signer: Signer): Pdu {
  checkNames(draft, place)
  try {
    return assemble(draft, place, signer)
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw new MatrixError('M_BAD_JSON', error.message)
    throw error
  }
}

function assemble(draft: UnbuiltEvent, place: EventPlace, signer: Signer): Pdu {
  const { version } = place
  const enforce = version.strictCanonicalJson
  const content = contentOf(draft, version)
  const contentText = canonicalJson(content, { enforce })
  const redactedText = canonicalJson(redactContent(version, draft.type, content), { enforce })
  const parts = textParts(draft, place, signer, contentText)

  const hash = sha256(parts.start + contentText + parts.depth + parts.middle + parts.end)
  const hashes = `,"hashes":{"sha256":"${hash}"}`
  const essential = parts.start + redactedText + parts.depth + hashes + parts.redactedMiddle + parts.end
  const signature = signText(essential, signer.key)
  const signatures = `,"signatures":{${quote(signer.serverName)}:{${quote(signer.key.keyId)}:"${signature}"}}`
  const json = parts.start + contentText + parts.depth + hashes + parts.middle + signatures + parts.end
  if (!fitsBytes(json, MAX_PDU_BYTES)) {
    throw new MatrixError('M_TOO_LARGE', `The event is bigger than ${MAX_PDU_BYTES} bytes`)
  }

  const eventId = parts.explicitId ?? eventIdOfHash(version, sha256(essential))
  return {
    version,
    eventId,
    roomId: place.roomId ?? roomIdOfCreateEvent(eventId),
    sender: draft.sender,
    type: draft.type,
    stateKey: draft.stateKey,
    content: withoutPrototype(content, contentText),
    depth: depthOf(place),
    originServerTs: draft.originServerTs ?? place.now,
    prevEvents: place.prev,
    authEvents: place.auth,
    redacts: draft.type === 'm.room.redaction' ? (draft.redacts ?? targetInContent(content, version)) : undefined,
    json,
  }
}

function checkNames(draft: UnbuiltEvent, place: EventPlace): void {
  const names = { sender: draft.sender, type: draft.type, state_key: draft.stateKey ?? '', room_id: place.roomId ?? '' }
  for (const [field, name] of Object.entries(names)) {
    if (!fitsBytes(name, MAX_ID_BYTES))
      throw new MatrixError('M_TOO_LARGE', `${field} is longer than ${MAX_ID_BYTES} bytes`)
  }
}

function contentOf(draft: UnbuiltEvent, version: RoomVersion): JsonObject {
  if (draft.redacts === undefined || !version.redactsInContent) return draft.content
  return { ...draft.content, redacts: draft.redacts }
}

/** The canonical text but for the content: `hashes` belongs behind `depth`, `signatures` behind `middle`. */
interface TextParts {
  readonly start: string
  readonly depth: string
  readonly middle: string
  readonly redactedMiddle: string
  readonly end: string
  /** Room versions 1 and 2. */
  readonly explicitId: EventId | undefined
}

function textParts(draft: UnbuiltEvent, place: EventPlace, signer: Signer, contentText: string): TextParts {
  const start = `{"auth_events":${referencesText(place, place.auth)},"content":`
  const origin = `,"origin_server_ts":${draft.originServerTs ?? place.now},"prev_events":${referencesText(place, place.prev)}`
  const redacts =
    draft.redacts === undefined || place.version.redactsInContent ? '' : `,"redacts":${quote(draft.redacts)}`
  const room = place.roomId === undefined ? '' : `,"room_id":${quote(place.roomId)}`
  const tail = `${room},"sender":${quote(draft.sender)}`
  const stateKey = draft.stateKey === undefined ? '' : `,"state_key":${quote(draft.stateKey)}`
  const parts = {
    start,
    depth: `,"depth":${depthOf(place)}`,
    middle: origin + redacts + tail,
    redactedMiddle: origin + tail,
    end: `${stateKey},"type":${quote(draft.type)}}`,
  }
  if (place.version.eventIdFormat !== 'explicit') return { ...parts, explicitId: undefined }
  const explicitId = makeEventId(start + contentText + parts.depth + parts.middle + parts.end, signer.serverName)
  return { ...parts, depth: `${parts.depth},"event_id":${quote(explicitId)}`, explicitId }
}

/**
 * An event id of room versions 1 and 2, which only has to be unique on this server. Derived from all the event says,
 * its predecessors among it, so that nothing random is needed.
 */
function makeEventId(text: string, serverName: ServerName): EventId {
  return eventIdOf(`${toUrlSafe(sha256(text)).slice(0, 24)}:${serverName}`)
}

function referencesText(place: EventPlace, eventIds: readonly EventId[]): string {
  if (!place.version.referencesWithHashes) return `[${eventIds.map(quote).join(',')}]`
  const pairs = eventIds.map((eventId) => {
    const hash = place.referenceHashes?.get(eventId)
    return `[${quote(eventId)},${hash === undefined ? '{}' : `{"sha256":${quote(hash)}}`}]`
  })
  return `[${pairs.join(',')}]`
}

/** "If the room's depth is already at the limit, the depth must be set to the limit." */
function depthOf(place: EventPlace): number {
  return Math.min(place.depth, Number.MAX_SAFE_INTEGER)
}

function targetInContent(content: JsonObject, version: RoomVersion): EventId | undefined {
  const target = version.redactsInContent ? getString(content, 'redacts') : undefined
  return target === undefined ? undefined : parseEventId(target)
}

/** Content that was written in code is read back, so that an event's content is the same kind of object everywhere. */
function withoutPrototype(content: JsonObject, text: string): JsonObject {
  return Object.getPrototypeOf(content) === null
    ? content
    : parseJsonObject(text, { maxDepth: Number.MAX_SAFE_INTEGER })
}
