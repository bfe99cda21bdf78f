import type { EventDraft, NewRoom, RoomEvent } from '../components/roomserver/index.js'
import { creatorsOf } from '../protocol/auth/index.js'
import { joinRuleIn, membershipIn } from '../protocol/event/content.js'
import { parseUserId, type UserId } from '../protocol/ids.js'
import { getArray, getObject, getValue, isJsonObject, type JsonObject, type JsonValue } from '../protocol/json.js'
import type { RoomVersion } from '../protocol/room-version.js'
import { membershipContent } from './membership-content.js'

/** CS "Room upgrades", 3: what is taken over as it is. The levels come last, so that nothing before is kept by them. */
const COPIED = [
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
  'm.room.canonical_alias',
]

/** What a room without the event goes by: said in the new one, whatever its version's servers take for the default. */
const IMPLIED: ReadonlyMap<string, JsonObject> = new Map([['m.room.guest_access', { guest_access: 'forbidden' }]])

/** Of the creation content, what belongs to the one room only. */
const OWN_CREATION_KEYS: ReadonlySet<string> = new Set([
  'creator',
  'room_version',
  'predecessor',
  'additional_creators',
])

export interface Replacement {
  readonly creator: UserId
  readonly profile: JsonObject
  readonly version: RoomVersion
  readonly additionalCreators: readonly UserId[]
  /** The whole current state of the room that is replaced. */
  readonly state: readonly RoomEvent[]
  readonly create: RoomEvent
  /** The last event that is known of it. */
  readonly lastEvent: RoomEvent
}

/**
 * The room that takes another one's place. Bans come apart from it: there may be more of them than a room can begin with.
 */
export function replacementRoom(order: Replacement): NewRoom {
  const { creator, state, profile, version } = order
  const draft = (type: string, stateKey: string, content: JsonObject) => ({ sender: creator, type, stateKey, content })
  const find = (type: string) => state.find((event) => event.type === type && event.stateKey === '')
  const copied: Omit<EventDraft, 'roomId'>[] = []
  for (const type of COPIED) {
    const content = find(type)?.content ?? IMPLIED.get(type)
    if (content !== undefined) copied.push(draft(type, '', adapted(type, content, version)))
  }
  return {
    creator,
    version: version.id,
    creationContent: creationContent(order),
    events: [
      draft('m.room.member', creator, membershipContent('join', { profile })),
      ...copied,
      ...spaceChildren(order).map(({ stateKey = '', content }) => draft('m.space.child', stateKey, content)),
      draft('m.room.power_levels', '', powerLevels(order, find('m.room.power_levels')?.content)),
    ],
  }
}

/** Users who are banned from the room, each with the content of their ban. */
export function bansIn(state: readonly RoomEvent[]): { readonly userId: UserId; readonly content: JsonObject }[] {
  return state.flatMap(({ type, stateKey, content }) => {
    const userId = type === 'm.room.member' && membershipIn(content) === 'ban' ? parseUserId(stateKey ?? '') : undefined
    return userId === undefined ? [] : [{ userId, content }]
  })
}

/** `type`, `m.federate` and what else the creator wrote; who was a creator beside them has to be said anew. */
function creationContent({ create, lastEvent, version, additionalCreators }: Replacement): JsonObject {
  const content: Record<string, JsonValue> = Object.create(null)
  for (const [key, value] of Object.entries(create.content)) if (!OWN_CREATION_KEYS.has(key)) content[key] = value
  content.predecessor = { room_id: create.roomId, event_id: lastEvent.eventId }
  if (version.privilegedCreators && additionalCreators.length > 0) {
    content.additional_creators = [...new Set(additionalCreators)]
  }
  return content
}

/** Rooms of a space that are still in it; whatever else a space's state holds is tied to who sent it. */
function spaceChildren({ create, state }: Replacement): RoomEvent[] {
  if (getValue(create.content, 'type') !== 'm.space') return []
  return state.filter(({ type, content }) => type === 'm.space.child' && getArray(content, 'via') !== undefined)
}

/** A join rule that the version does not have would let nobody in; by invitation it stays as closed as it was. */
function adapted(type: string, content: JsonObject, version: RoomVersion): JsonObject {
  if (type !== 'm.room.join_rules') return content
  const rule = joinRuleIn(content)
  const isKnown =
    (rule !== 'knock' || version.knocking) &&
    (rule !== 'restricted' || version.restrictedJoins) &&
    (rule !== 'knock_restricted' || version.knockRestricted)
  return isKnown ? content : { join_rule: 'invite' }
}

/**
 * The levels of the old room in the form that the new version takes: creators are named where they have no power of their
 * own, and are not where they have; numbers in quotes are numbers.
 */
function powerLevels(order: Replacement, content: JsonObject | undefined): JsonObject {
  const { version, creator, additionalCreators, create } = order
  if (content === undefined && version.privilegedCreators) return defaultLevels({ users: {} })
  const users = new Map(Object.entries(getObject(content ?? {}, 'users') ?? {}))
  if (version.privilegedCreators) {
    for (const userId of [creator, ...additionalCreators]) users.delete(userId)
  } else if (content === undefined || create.pdu.version.privilegedCreators) {
    for (const userId of [...creatorsOf(create.pdu), creator]) users.set(userId, 100)
  }
  const levels = { ...(content ?? defaultLevels({})), users: objectOf(users) }
  return version.integerPowerLevels ? withIntegers(levels) : levels
}

function defaultLevels(more: JsonObject): JsonObject {
  return { events_default: 0, state_default: 50, users_default: 0, ban: 50, kick: 50, redact: 50, invite: 0, ...more }
}

function withIntegers(levels: JsonObject): JsonObject {
  const converted = new Map<string, JsonValue>()
  for (const [key, value] of Object.entries(levels)) {
    converted.set(key, isJsonObject(value) ? withIntegers(value) : integerOf(value))
  }
  return objectOf(converted)
}

function integerOf(value: JsonValue): JsonValue {
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value !== 'string' || !/^\s*[+-]?\d{1,15}\s*$/.test(value)) return value
  return Number(value)
}

function objectOf(entries: Iterable<readonly [string, JsonValue]>): JsonObject {
  const object: Record<string, JsonValue> = Object.create(null)
  for (const [key, value] of entries) object[key] = value
  return object
}
