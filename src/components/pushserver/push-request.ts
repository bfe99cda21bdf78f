import type { RoomId, UserId } from '../../protocol/ids.js'
import { getArray, getObject, getString, isJsonObject, type JsonObject, parseStoredJson } from '../../protocol/json.js'
import type { RoomEvent, RoomServer } from '../roomserver/index.js'
import { actionsOf, tweaksOf } from './notifications.js'
import { storedObject } from './pushers.js'
import type { OwedPushRow } from './store/owed-pushes.js'
import type { PusherRow } from './store/pushers.js'

export type PushRooms = Pick<RoomServer, 'currentState' | 'membership'>

/** The body of a request that tells of no event, only how much is unread. `data/api/push-gateway/push_notifier.yaml`. */
export function badgeRequest(pusher: PusherRow, unread: number): JsonObject {
  return { notification: { counts: { unread }, devices: [deviceOf(pusher, {})], prio: 'low' } }
}

/** The body of a request that tells of an event. */
export async function eventRequest(
  rooms: PushRooms,
  pusher: PusherRow,
  owed: OwedPushRow,
  event: RoomEvent,
): Promise<JsonObject> {
  const { eventId, roomId, type, sender, content } = event
  const tweaks = tweaksOf(actionsOf(owed.actions ?? ''))
  const least: JsonObject = {
    event_id: eventId,
    room_id: roomId,
    counts: { unread: owed.unread },
    devices: [deviceOf(pusher, tweaks)],
  }
  if (getString(storedObject(pusher.data), 'format') === 'event_id_only') return { notification: least }
  const isUrgent = tweaks.sound !== undefined || tweaks.highlight === true || type === 'm.room.encrypted'
  return {
    notification: {
      ...least,
      // What `event_id` was called before the specification's first version; gateways still look for it.
      id: eventId,
      type,
      sender,
      content,
      prio: isUrgent ? 'high' : 'low',
      ...(type === 'm.room.member' ? memberFacts(pusher.user_id, event) : {}),
      ...(await namesOf(rooms, pusher.user_id, event)),
    },
  }
}

function deviceOf(pusher: PusherRow, tweaks: JsonObject): JsonObject {
  const { url: _, ...data } = storedObject(pusher.data)
  return {
    app_id: pusher.app_id,
    pushkey: pusher.pushkey,
    pushkey_ts: Math.floor(pusher.updated_ts / 1_000),
    data,
    tweaks,
  }
}

function memberFacts(userId: UserId, { stateKey, content }: RoomEvent): JsonObject {
  const membership = getString(content, 'membership')
  return { user_is_target: stateKey === userId, ...(membership === undefined ? {} : { membership }) }
}

/** Names as they are now. Of a room that the user is only invited to, what the invite says. */
async function namesOf(rooms: PushRooms, userId: UserId, { roomId, sender }: RoomEvent): Promise<JsonObject> {
  const state = await stateOf(rooms, roomId, sender)
  if (!state.has('m.room.name') && !state.has('m.room.canonical_alias')) {
    const invite = (await rooms.membership(roomId, userId))?.strippedState
    for (const [key, content] of strippedState(invite, sender)) if (!state.has(key)) state.set(key, content)
  }
  const text = (key: string, field: string): string | undefined => {
    const value = getString(state.get(key) ?? {}, field)
    return value === '' ? undefined : value
  }
  const alias = text('m.room.canonical_alias', 'alias')
  const name = text('m.room.name', 'name') ?? alias
  const senderName = text('m.room.member', 'displayname')
  return {
    ...(name === undefined ? {} : { room_name: name }),
    ...(alias === undefined ? {} : { room_alias: alias }),
    ...(senderName === undefined ? {} : { sender_display_name: senderName }),
  }
}

async function stateOf(rooms: PushRooms, roomId: RoomId, sender: UserId): Promise<Map<string, JsonObject>> {
  const tuples = [
    ['m.room.name', ''],
    ['m.room.canonical_alias', ''],
    ['m.room.member', sender],
  ] as const
  const events = (await rooms.currentState([roomId], tuples)).get(roomId) ?? []
  return new Map(events.map((event) => [event.type, event.content]))
}

function strippedState(text: string | undefined, sender: UserId): Map<string, JsonObject> {
  const found = new Map<string, JsonObject>()
  const events = text === undefined ? [] : (getArray({ events: parseStoredJson(text) }, 'events') ?? [])
  for (const event of events) {
    if (!isJsonObject(event)) continue
    const type = getString(event, 'type')
    const stateKey = getString(event, 'state_key')
    const content = getObject(event, 'content')
    if (type === undefined || content === undefined) continue
    if (stateKey === (type === 'm.room.member' ? sender : '')) found.set(type, content)
  }
  return found
}
