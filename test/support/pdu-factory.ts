import type { AuthState } from '../../src/protocol/auth/index.js'
import { type Pdu, stateTuple } from '../../src/protocol/event/pdu.js'
import {
  type EventId,
  eventIdOf,
  parseEventId,
  parseRoomId,
  parseUserId,
  type RoomId,
  type UserId,
} from '../../src/protocol/ids.js'
import { type JsonObject, type JsonValue, parseJsonObject, stringifyJson } from '../../src/protocol/json.js'
import { KNOWN_ROOM_VERSIONS, type RoomVersion, roomVersion } from '../../src/protocol/room-version.js'

/** An event as a test writes it down. Ids are made up: nothing here is hashed or signed. */
export interface PduSketch {
  readonly version: RoomVersion
  readonly eventId: string
  readonly type: string
  readonly sender: string
  readonly stateKey?: string | undefined
  readonly content?: JsonObject
  readonly roomId?: string | undefined
  readonly prevEvents?: readonly string[]
  readonly authEvents?: readonly string[]
  readonly redacts?: string | undefined
  readonly depth?: number
  readonly originServerTs?: number
}

export function makePdu(sketch: PduSketch): Pdu {
  const { version, type, stateKey } = sketch
  const roomId = sketch.roomId ?? defaultRoomId(version)
  const prevEvents = (sketch.prevEvents ?? []).map(eventId)
  const authEvents = (sketch.authEvents ?? []).map(eventId)
  const isImplied = version.roomIdIsCreateHash && type === 'm.room.create' && sketch.roomId === undefined
  const wire: Record<string, JsonValue> = { type, sender: sketch.sender, content: sketch.content ?? {} }
  if (!isImplied) wire.room_id = roomId
  if (stateKey !== undefined) wire.state_key = stateKey
  return {
    version,
    eventId: eventId(sketch.eventId),
    roomId: aRoomId(roomId),
    sender: userId(sketch.sender),
    type,
    stateKey,
    // Read back, so that content is what a parsed event has: objects without prototype.
    content: parseJsonObject(stringifyJson(sketch.content ?? {})),
    depth: sketch.depth ?? 1,
    originServerTs: sketch.originServerTs ?? 0,
    prevEvents,
    authEvents,
    redacts: sketch.redacts === undefined ? undefined : eventId(sketch.redacts),
    json: stringifyJson(wire),
  }
}

/** 43 characters, as a hash has: the create event of every made-up room of version 12. */
export const CREATE_HASH = 'CREATE-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

export function createEventId(version: RoomVersion): EventId {
  return version.roomIdIsCreateHash ? eventIdOf(CREATE_HASH) : eventIdOf('create:a.example')
}

export function defaultRoomId(version: RoomVersion): RoomId {
  return aRoomId(version.roomIdIsCreateHash ? `!${CREATE_HASH}` : '!room:a.example')
}

export function eventId(id: string): EventId {
  return parseEventId(id) ?? fail(`not an event id: ${id}`)
}

export function userId(id: string): UserId {
  return parseUserId(id) ?? fail(`not a user id: ${id}`)
}

export function aRoomId(id: string): RoomId {
  return parseRoomId(id) ?? fail(`not a room id: ${id}`)
}

export function versionOf(id: string): RoomVersion {
  return roomVersion(id) ?? fail(`not a room version: ${id}`)
}

/** `"1-5"`, `"12"` or `"1-2,6"`, as lists of versions. */
export function versionsIn(ranges: string): RoomVersion[] {
  return ranges.split(',').flatMap((range) => {
    const [first = range, last = first] = range.split('-')
    return KNOWN_ROOM_VERSIONS.filter((id) => Number(id) >= Number(first) && Number(id) <= Number(last)).map(versionOf)
  })
}

export function stateOf(events: Iterable<Pdu>): AuthState {
  const state = new Map([...events].map((event) => [stateTuple(event.type, event.stateKey ?? ''), event]))
  return { get: (type, stateKey) => state.get(stateTuple(type, stateKey)) }
}

function fail(message: string): never {
  throw new Error(message)
}
