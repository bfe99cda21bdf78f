import { type EventId, parseEventId, type RoomId, type UserId } from '../ids.js'
import {
  getArray,
  getObject,
  getString,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStoredJson,
} from '../json.js'
import type { RoomVersion } from '../room-version.js'
import type { Pdu } from './pdu.js'

/** The identifiers of an event as they have been parsed. Not all of them are in its JSON. */
export interface EventIdentity {
  readonly eventId: EventId
  readonly roomId: RoomId
  readonly sender: UserId
}

/**
 * An event that has been stored: its JSON passed all checks when it came in, and is only read.
 * @throws Error when the text is not that of an event, so not what was stored
 */
export function readStoredPdu(version: RoomVersion, identity: EventIdentity, json: string): Pdu {
  const event = parseStoredJson(json)
  if (!isJsonObject(event)) throw new Error(`the stored event ${identity.eventId} is not an object`)
  return pduOf(version, identity, event, json)
}

/** Fields of a checked event. `json` is its canonical text. */
export function pduOf(version: RoomVersion, identity: EventIdentity, event: JsonObject, json: string): Pdu {
  const type = getString(event, 'type') ?? ''
  return {
    version,
    eventId: identity.eventId,
    roomId: identity.roomId,
    sender: identity.sender,
    type,
    stateKey: getString(event, 'state_key'),
    content: getObject(event, 'content') ?? {},
    depth: integer(event.depth),
    originServerTs: integer(event.origin_server_ts),
    prevEvents: references(version, event, 'prev_events') ?? [],
    authEvents: references(version, event, 'auth_events') ?? [],
    redacts: type === 'm.room.redaction' ? redactionTarget(version, event) : undefined,
    json,
  }
}

/** Event ids of `prev_events` or `auth_events`; undefined when it is not a list of them in the version's form. */
export function references(
  version: RoomVersion,
  event: JsonObject,
  key: 'prev_events' | 'auth_events',
): readonly EventId[] | undefined {
  const list = getArray(event, key)
  if (list === undefined) return undefined
  const ids: EventId[] = []
  for (const entry of list) {
    const named = version.referencesWithHashes ? idOfPair(entry) : entry
    const id = typeof named === 'string' ? parseEventId(named) : undefined
    if (id === undefined) return undefined
    ids.push(id)
  }
  return ids
}

/** `[event id, { sha256 }]` of room versions 1 and 2. Their hashes were never relied on by anybody. */
function idOfPair(entry: JsonValue): JsonValue | undefined {
  return Array.isArray(entry) && entry.length === 2 && isJsonObject(entry[1]) ? entry[0] : undefined
}

function redactionTarget(version: RoomVersion, event: JsonObject): EventId | undefined {
  const holder = version.redactsInContent ? getObject(event, 'content') : event
  const target = holder === undefined ? undefined : getString(holder, 'redacts')
  return target === undefined ? undefined : parseEventId(target)
}

function integer(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0
}
