import type { UserId } from '../protocol/ids.js'
import { getArray, type JsonObject, type JsonValue } from '../protocol/json.js'
import type { RoomVersion } from '../protocol/room-version.js'
import type { RoomOrder } from './create-room.js'

export type Preset = 'private_chat' | 'trusted_private_chat' | 'public_chat'

/** The table of create_room.yaml. */
export function presetState(preset: Preset): readonly { readonly type: string; readonly content: JsonObject }[] {
  const isPublic = preset === 'public_chat'
  const state = [
    { type: 'm.room.join_rules', content: { join_rule: isPublic ? 'public' : 'invite' } },
    { type: 'm.room.history_visibility', content: { history_visibility: 'shared' } },
  ]
  // Without the event guests are forbidden, as public rooms want them.
  return isPublic ? state : [...state, { type: 'm.room.guest_access', content: { guest_access: 'can_join' } }]
}

/** Without what the server writes itself: `creator` and `room_version`. */
export function creationContent(order: RoomOrder, version: RoomVersion): JsonObject {
  const content: Record<string, JsonValue> = Object.create(null)
  for (const [key, value] of Object.entries(order.creationContent)) {
    if (key !== 'creator' && key !== 'room_version') content[key] = value
  }
  if (version.privilegedCreators && order.preset === 'trusted_private_chat' && order.invite.length > 0) {
    const named = getArray(content, 'additional_creators') ?? []
    content.additional_creators = [...new Set([...named, ...order.invite])]
  }
  return content
}

/** A tombstone has to take more than `state_default`, and more than a moderator has, where creators stand above all. */
const TOMBSTONE_LEVEL = { before: 100, withCreators: 150 }

/** The levels of a new room, under what the request says (`power_level_content_override`). */
export function initialPowerLevels(order: RoomOrder, version: RoomVersion): JsonObject {
  const { privilegedCreators } = version
  return {
    users: userLevels(order, privilegedCreators),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.encryption': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': privilegedCreators ? TOMBSTONE_LEVEL.withCreators : TOMBSTONE_LEVEL.before,
    },
    events_default: 0,
    state_default: 50,
    invite: order.preset === 'public_chat' ? 50 : 0,
    kick: 50,
    ban: 50,
    redact: 50,
    notifications: { room: 50 },
    ...order.powerLevelOverride,
  }
}

/** Creators of version 12 and later stand above every number and must not be listed. */
function userLevels({ user, preset, invite }: RoomOrder, privilegedCreators: boolean): JsonObject {
  if (privilegedCreators) return {}
  const users: Record<UserId, number> = { [user.userId]: 100 }
  if (preset === 'trusted_private_chat') for (const userId of invite) users[userId] = 100
  return users
}
