import type { Pdu } from '../event/pdu.js'
import { parseUserId, serverNameOf, type UserId } from '../ids.js'
import { getArray, getValue, parseJsonObject } from '../json.js'
import { roomVersion } from '../room-version.js'
import { ALLOWED, type AuthVerdict, refuse } from './verdict.js'

/** Rule 1: the create event. It is judged by itself, there is no state yet. */
export function checkCreate(event: Pdu): AuthVerdict {
  const { version, content } = event
  if (event.prevEvents.length > 0) return refuse('1.1', 'a create event comes after nothing')
  if (version.roomIdIsCreateHash) {
    if (namesRoom(event)) return refuse('1.2', 'the room id of this room version is implied, not written')
  } else if (serverNameOf(event.roomId) !== serverNameOf(event.sender)) {
    return refuse('1.2', 'the room id is of another server than the sender')
  }
  const named = getValue(content, 'room_version')
  if (named !== undefined && (typeof named !== 'string' || roomVersion(named) === undefined)) {
    return refuse('1.3', 'room_version is not known')
  }
  if (!version.creatorFromSender && getValue(content, 'creator') === undefined) {
    return refuse('1.4', 'there is no creator')
  }
  if (version.privilegedCreators && !hasValidAdditionalCreators(event)) {
    return refuse('1.4', 'additional_creators is not a list of user ids')
  }
  return ALLOWED
}

/** `roomId` is there in any case; whether it was on the wire, only the event's text can tell. */
function namesRoom(event: Pdu): boolean {
  return Object.hasOwn(parseJsonObject(event.json), 'room_id')
}

function hasValidAdditionalCreators(event: Pdu): boolean {
  const additional = getValue(event.content, 'additional_creators')
  if (additional === undefined) return true
  return Array.isArray(additional) && additional.every((id) => typeof id === 'string' && parseUserId(id) !== undefined)
}

const creators = new WeakMap<Pdu, ReadonlySet<UserId>>()

/**
 * Who made the room: the sender of the create event and, from room version 12 on, its `additional_creators`; before
 * version 11 the one named as `creator`. Before version 12 it is one, or none if the event names nobody.
 */
export function creatorsOf(create: Pdu): ReadonlySet<UserId> {
  const known = creators.get(create)
  if (known) return known
  const found = new Set(namedCreators(create))
  creators.set(create, found)
  return found
}

function namedCreators(create: Pdu): UserId[] {
  if (!create.version.creatorFromSender) return userIds([getValue(create.content, 'creator')])
  if (!create.version.privilegedCreators) return [create.sender]
  return [create.sender, ...userIds(getArray(create.content, 'additional_creators') ?? [])]
}

function userIds(values: readonly unknown[]): UserId[] {
  return values
    .map((value) => (typeof value === 'string' ? parseUserId(value) : undefined))
    .filter((id) => id !== undefined)
}
