import type { EventId, RoomId, UserId } from '../ids.js'
import type { JsonObject } from '../json.js'
import type { RoomVersion } from '../room-version.js'

/**
 * A persistent data unit, parsed once and immutable. `json` is the exact canonical federation JSON that is stored and
 * sent (including `signatures`, `hashes` and, in room versions 1 and 2, `event_id`), everything else is read from it.
 * Server-server API "PDUs"; data/api/server-server/definitions/pdu_v*.yaml.
 */
export interface Pdu {
  readonly version: RoomVersion
  readonly eventId: EventId
  /** In room version 12 and later the create event has no `room_id` on the wire: this is then `!` + its own hash. */
  readonly roomId: RoomId
  readonly sender: UserId
  readonly type: string
  /** Undefined for an event that is not a state event; `''` is a state key. */
  readonly stateKey: string | undefined
  readonly content: JsonObject
  readonly depth: number
  /** Milliseconds since 1970, as claimed by the origin. Shown to people, never used for ordering. */
  readonly originServerTs: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  /** The target of a redaction, from where the room version keeps it. */
  readonly redacts: EventId | undefined
  readonly json: string
}

/** State at a point of the room: one event for each (type, state key). See `stateKeyOf`. */
export type StateMap<Event = Pdu> = ReadonlyMap<StateTuple, Event>

/** `type` and `state_key` in one injective string: JSON of the pair is not needed, a NUL escape is: see `stateTuple`. */
export type StateTuple = string & { readonly stateTuple: true }

/** Injective for every type and state key, whatever they contain: a plain separator would not be. */
export function stateTuple(type: string, stateKey: string): StateTuple {
  return `${type.length}:${type}${stateKey}` as StateTuple
}

export function splitStateTuple(tuple: StateTuple): [type: string, stateKey: string] {
  const colon = tuple.indexOf(':')
  const end = colon + 1 + Number(tuple.slice(0, colon))
  return [tuple.slice(colon + 1, end), tuple.slice(end)]
}
