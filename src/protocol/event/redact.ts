import {
  canonicalJson,
  getObject,
  getValue,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStoredJson,
} from '../json.js'
import type { RoomVersion } from '../room-version.js'
import type { Pdu } from './pdu.js'

/** Keys that every version keeps. rooms/v11 "Redactions". */
const KEPT_KEYS = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
]
const KEPT_BEFORE_V11 = [...KEPT_KEYS, 'prev_state', 'origin', 'membership']

const POWER_LEVELS = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']

/** The event as it is once it has been redacted. The result has no prototype; nothing of the input is changed. */
export function redactJson(version: RoomVersion, event: JsonObject): JsonObject {
  const redacted = pick(event, version.updatedRedactionRules ? KEPT_KEYS : KEPT_BEFORE_V11)
  redacted.content = redactContent(version, getValue(event, 'type'), getObject(event, 'content') ?? {})
  return redacted
}

/** What a redaction leaves of the content. */
export function redactContent(version: RoomVersion, type: JsonValue | undefined, content: JsonObject): JsonObject {
  const updated = version.updatedRedactionRules
  switch (type) {
    case 'm.room.member':
      return redactMember(version, content)
    case 'm.room.create':
      return updated ? content : pick(content, ['creator'])
    case 'm.room.join_rules':
      return pick(content, version.redactionKeepsAllow ? ['join_rule', 'allow'] : ['join_rule'])
    case 'm.room.power_levels':
      return pick(content, updated ? [...POWER_LEVELS, 'invite'] : POWER_LEVELS)
    case 'm.room.history_visibility':
      return pick(content, ['history_visibility'])
    case 'm.room.aliases':
      return version.specialCaseAliases ? pick(content, ['aliases']) : pick(content, [])
    case 'm.room.redaction':
      return updated ? pick(content, ['redacts']) : pick(content, [])
    default:
      return pick(content, [])
  }
}

function redactMember(version: RoomVersion, content: JsonObject): JsonObject {
  const kept = pick(
    content,
    version.redactionKeepsJoinAuthorisation ? ['membership', 'join_authorised_via_users_server'] : ['membership'],
  )
  const invite = version.updatedRedactionRules ? getObject(content, 'third_party_invite') : undefined
  // The key itself stays even where nothing is left in it: other servers hash it so.
  if (invite !== undefined) kept.third_party_invite = pick(invite, ['signed'])
  return kept
}

/** The event after an applied redaction, or as it is trusted when its content hash is wrong. */
export function redactPdu(pdu: Pdu): Pdu {
  const event = parseStoredJson(pdu.json)
  const redacted = redactJson(pdu.version, isJsonObject(event) ? event : {})
  return {
    ...pdu,
    content: getObject(redacted, 'content') ?? {},
    redacts: pdu.version.updatedRedactionRules ? pdu.redacts : undefined,
    json: canonicalJson(redacted),
  }
}

function pick(object: JsonObject, keys: readonly string[]): { [key: string]: JsonValue } {
  const picked: { [key: string]: JsonValue } = Object.create(null)
  for (const key of keys) {
    const value = getValue(object, key)
    if (value !== undefined) picked[key] = value
  }
  return picked
}
