import {
  type EventId,
  eventIdOf,
  fitsBytes,
  MAX_ID_BYTES,
  parseEventId,
  parseRoomId,
  parseUserId,
  type RoomId,
  roomIdOfCreateEvent,
  serverNameOf,
} from '../ids.js'
import {
  canonicalJson,
  getInteger,
  getObject,
  getString,
  getValue,
  isDeeperThan,
  JsonError,
  type JsonObject,
  parseJsonObject,
} from '../json.js'
import type { RoomVersion } from '../room-version.js'
import { without } from '../signing.js'
import { referenceHash, toUrlSafe } from './hashes.js'
import type { Pdu } from './pdu.js'
import { pduOf, references } from './read-pdu.js'

/** Bytes of an event's canonical JSON with its signatures and without `unsigned`. Client-server API "Size limits". */
export const MAX_PDU_BYTES = 65_536
/** Levels of nesting. The specification sets none; no other server takes more. */
export const MAX_PDU_DEPTH = 128
export const MAX_PREV_EVENTS = 20
export const MAX_AUTH_EVENTS = 10

/** In old rooms an id may have as many characters; each is four bytes at most. */
const MAX_LENIENT_ID_BYTES = MAX_ID_BYTES * 4

/**
 * `mustReject` says why an event that is well-formed enough to be kept, so that what builds on it does not hang in the
 * air, has to be treated as rejected.
 */
export type ParsedPdu = { readonly ok: Pdu; readonly mustReject: string | undefined } | { readonly refused: string }

/**
 * Check 1 of "Checks performed on receipt of a PDU": is it an event of this room version? `unsigned` is dropped, the
 * rest kept in canonical form. Signatures, hashes and authorisation are other checks.
 */
export function parsePdu(version: RoomVersion, input: JsonObject | string): ParsedPdu {
  try {
    return check(version, typeof input === 'string' ? parseJsonObject(input, { maxDepth: MAX_PDU_DEPTH }) : input)
  } catch (error) {
    if (error instanceof JsonError) return { refused: error.message }
    throw error
  }
}

function check(version: RoomVersion, received: JsonObject): ParsedPdu {
  const event = without(received, 'unsigned')
  if (isDeeperThan(event, MAX_PDU_DEPTH)) return { refused: `the event is nested deeper than ${MAX_PDU_DEPTH} levels` }
  const sender = parseUserId(getString(event, 'sender') ?? '', MAX_LENIENT_ID_BYTES)
  if (sender === undefined) return { refused: 'sender is not a user id' }
  const fault = formatFault(version, event)
  if (fault !== undefined) return { refused: fault }
  const json = canonicalJson(event, { enforce: version.strictCanonicalJson })
  if (!fitsBytes(json, MAX_PDU_BYTES)) return { refused: `the event is bigger than ${MAX_PDU_BYTES} bytes` }
  const eventId = eventIdIn(version, event)
  if (eventId === undefined) return { refused: 'event_id is not an event id' }
  const roomId = roomIdIn(version, event, eventId)
  if (roomId === undefined) return { refused: 'room_id is not a room id' }
  const pdu = pduOf(version, { eventId, roomId, sender }, event, json)
  const tooLong = namesOf(pdu).find(([, name]) => !fitsBytes(name, MAX_ID_BYTES))
  if (tooLong === undefined) return { ok: pdu, mustReject: undefined }
  const [field, name] = tooLong
  const reason = `${field} is longer than ${MAX_ID_BYTES} bytes`
  if (version.strictByteLimits || [...name].length > MAX_ID_BYTES) return { refused: reason }
  return { ok: pdu, mustReject: reason }
}

function namesOf(pdu: Pdu): [field: string, name: string][] {
  return [
    ['sender', pdu.sender],
    ['room_id', pdu.roomId],
    ['event_id', pdu.eventId],
    ['type', pdu.type],
    ['state_key', pdu.stateKey ?? ''],
  ]
}

/** data/api/server-server/definitions/pdu_v*.yaml. Undefined: nothing is wrong with it. */
function formatFault(version: RoomVersion, event: JsonObject): string | undefined {
  if (getString(event, 'type') === undefined) return 'type is not a string'
  if (getObject(event, 'content') === undefined) return 'content is not an object'
  if (getValue(event, 'state_key') !== undefined && getString(event, 'state_key') === undefined) {
    return 'state_key is not a string'
  }
  // 2^63 - 1, as versions 1 to 5 once allowed, was used to break rooms: no server takes it any more.
  if ((getInteger(event, 'depth') ?? -1) < 0) return 'depth is not an integer from 0 to 2^53 - 1'
  if (getInteger(event, 'origin_server_ts') === undefined) return 'origin_server_ts is not an integer'
  const hashes = getObject(event, 'hashes')
  if (hashes === undefined || getString(hashes, 'sha256') === undefined) return 'hashes has no sha256'
  if (getObject(event, 'signatures') === undefined) return 'signatures is not an object'
  return (
    referencesFault(version, event, 'prev_events', MAX_PREV_EVENTS) ??
    referencesFault(version, event, 'auth_events', MAX_AUTH_EVENTS)
  )
}

function referencesFault(
  version: RoomVersion,
  event: JsonObject,
  key: 'prev_events' | 'auth_events',
  limit: number,
): string | undefined {
  const ids = references(version, event, key)
  if (ids === undefined) return `${key} is not a list of event ids`
  return ids.length > limit ? `${key} has more than ${limit} entries` : undefined
}

/** The id of an event, which all but versions 1 and 2 derive from what it says. */
export function eventIdIn(version: RoomVersion, event: JsonObject): EventId | undefined {
  if (version.eventIdFormat === 'explicit') {
    const id = parseEventId(getString(event, 'event_id') ?? '', MAX_LENIENT_ID_BYTES)
    return id !== undefined && serverNameOf(id) !== undefined ? id : undefined
  }
  return eventIdOfHash(version, referenceHash(version, event))
}

/** The event id made of a reference hash (standard base64). */
export function eventIdOfHash(version: RoomVersion, hash: string): EventId {
  return eventIdOf(version.eventIdFormat === 'base64url' ? toUrlSafe(hash) : hash)
}

function roomIdIn(version: RoomVersion, event: JsonObject, eventId: EventId): RoomId | undefined {
  // A create event that names a room all the same is refused by auth rule 1.2, not here.
  if (version.roomIdIsCreateHash && getString(event, 'type') === 'm.room.create') return roomIdOfCreateEvent(eventId)
  return parseRoomId(getString(event, 'room_id') ?? '', MAX_LENIENT_ID_BYTES)
}
