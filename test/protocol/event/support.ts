import { buildEvent, type EventPlace, type UnbuiltEvent } from '../../../src/protocol/event/build.js'
import { contentHash, essentialText } from '../../../src/protocol/event/hashes.js'
import { type ParsedPdu, parsePdu } from '../../../src/protocol/event/parse-pdu.js'
import type { Pdu } from '../../../src/protocol/event/pdu.js'
import {
  type EventId,
  parseEventId,
  parseRoomId,
  parseServerName,
  parseUserId,
  type RoomId,
} from '../../../src/protocol/ids.js'
import { getObject, type JsonObject, parseJsonObject } from '../../../src/protocol/json.js'
import { KNOWN_ROOM_VERSIONS, type RoomVersion, roomVersion } from '../../../src/protocol/room-version.js'
import { signText, withSignature } from '../../../src/protocol/signing.js'
import { SPEC_KEY } from '../../support/spec-key.js'

export function version(id: string): RoomVersion {
  return given(roomVersion(id))
}

export const ALL_VERSIONS = KNOWN_ROOM_VERSIONS.map(version)

export function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the test gave something malformed')
  return value
}

export const SERVER = given(parseServerName('domain'))
export const ALICE = given(parseUserId('@a:domain'))
export const SIGNER = { serverName: SERVER, key: SPEC_KEY }

export const eventId = (id: string): EventId => given(parseEventId(id))
export const roomId = (id: string): RoomId => given(parseRoomId(id))

const PREVIOUS = eventId('$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg')

export function placeIn(room: RoomVersion, place: Partial<EventPlace> = {}): EventPlace {
  return {
    version: room,
    now: 1_000_000,
    prev: [PREVIOUS],
    auth: [PREVIOUS],
    depth: 3,
    roomId: roomId('!x:domain'),
    ...place,
  }
}

export function build(room: RoomVersion, draft: Partial<UnbuiltEvent> = {}, place: Partial<EventPlace> = {}): Pdu {
  return buildEvent({ sender: ALICE, type: 'm.room.message', content: {}, ...draft }, placeIn(room, place), SIGNER)
}

/** Hashes and signs any JSON as "Adding hashes and signatures to outgoing events" says, one step after the other. */
export function hashAndSign(room: RoomVersion, event: JsonObject): JsonObject {
  const hashed = { ...event, hashes: { sha256: contentHash(event) } }
  return withSignature(hashed, SERVER, SPEC_KEY.keyId, signText(essentialText(room, hashed), SPEC_KEY))
}

export function accepted(parsed: ParsedPdu): Pdu {
  if ('refused' in parsed) throw new Error(parsed.refused)
  return parsed.ok
}

/** The event's JSON as a plain object, changed. */
export function changed(pdu: Pdu, change: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(pdu.json), ...change })
}

export function reparse(pdu: Pdu): Pdu {
  return accepted(parsePdu(pdu.version, pdu.json))
}

export function objectOf(pdu: Pdu): JsonObject {
  return parseJsonObject(pdu.json)
}

export function signatureOf(event: JsonObject): unknown {
  return getObject(getObject(event, 'signatures') ?? {}, 'domain')?.['ed25519:1']
}
