import type { PushServer } from '../components/pushserver/index.js'
import { creationIn } from '../protocol/event/content.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import {
  getArray,
  getBoolean,
  getObject,
  getString,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../protocol/json.js'
import type { RoomParts } from './room-parts.js'

export interface UpgradeParts extends RoomParts {
  readonly pushserver: Pick<PushServer, 'pushRules' | 'putPushRule' | 'setPushRuleEnabled'>
}

/** Kinds of push rules that may be about one room. */
const RULE_KINDS = ['override', 'room', 'underride'] as const

/**
 * What a user has set for a room goes over to the one that replaces it, once they are in that: tags, whether it is a direct
 * chat, push rules (CS "Room upgrades"). Anybody can name any room as predecessor, so it has to say itself, by its
 * tombstone, that it was replaced by this one.
 */
export async function followUpgrade(parts: UpgradeParts, userId: UserId, roomId: RoomId): Promise<void> {
  const oldRoomId = await predecessorOf(parts, userId, roomId)
  if (oldRoomId === undefined) return
  await moveTags(parts, userId, { oldRoomId, roomId })
  await moveDirect(parts, userId, { oldRoomId, roomId })
  await movePushRules(parts, userId, { oldRoomId, roomId })
}

interface Move {
  readonly oldRoomId: RoomId
  readonly roomId: RoomId
}

/** The room before, if the user was in it and it agrees. */
async function predecessorOf({ roomserver }: RoomParts, userId: UserId, roomId: RoomId): Promise<RoomId | undefined> {
  const create = await roomserver.stateEvent(roomId, 'm.room.create', '')
  const { predecessor } = creationIn(create?.content ?? {})
  if (predecessor === undefined || (await roomserver.membership(predecessor, userId)) === undefined) return undefined
  const tombstone = await roomserver.stateEvent(predecessor, 'm.room.tombstone', '')
  const successor = tombstone && getString(tombstone.content, 'replacement_room')
  return successor === roomId ? predecessor : undefined
}

async function moveTags({ userapi }: RoomParts, userId: UserId, { oldRoomId, roomId }: Move): Promise<void> {
  const tags = await userapi.accountData(userId, oldRoomId, 'm.tag')
  if (tags === undefined || (await userapi.accountData(userId, roomId, 'm.tag')) !== undefined) return
  await userapi.setAccountData(userId, roomId, 'm.tag', tags.content)
}

async function moveDirect({ userapi }: RoomParts, userId: UserId, { oldRoomId, roomId }: Move): Promise<void> {
  await userapi.updateAccountData(userId, undefined, 'm.direct', (content) => {
    const changed: Record<string, JsonValue> = Object.create(null)
    let isDirect = false
    for (const [other, rooms] of Object.entries(content)) {
      const listed = Array.isArray(rooms) && rooms.includes(oldRoomId) && !rooms.includes(roomId)
      changed[other] = listed ? [...rooms, roomId] : rooms
      isDirect ||= listed
    }
    return isDirect ? changed : undefined
  })
}

async function movePushRules({ pushserver }: UpgradeParts, userId: UserId, move: Move): Promise<void> {
  const global = getObject(await pushserver.pushRules(userId), 'global') ?? {}
  for (const kind of RULE_KINDS) {
    const rules = (getArray(global, kind) ?? []).filter(isJsonObject)
    const known = new Set(rules.map((rule) => getString(rule, 'rule_id')))
    for (const rule of rules) {
      const moved = movedRule(rule, move)
      if (moved === undefined || known.has(moved.ruleId)) continue
      await pushserver.putPushRule(userId, kind, moved.ruleId, moved.rule)
      if (getBoolean(rule, 'enabled') === false) {
        await pushserver.setPushRuleEnabled(userId, kind, moved.ruleId, false)
      }
    }
  }
}

/** Undefined for a rule that is not about the old room: by its id, or by a condition on the room. */
function movedRule(rule: JsonObject, { oldRoomId, roomId }: Move): { ruleId: string; rule: JsonObject } | undefined {
  const ruleId = getString(rule, 'rule_id')
  const conditions = getArray(rule, 'conditions')
  const isAbout = (condition: JsonValue) =>
    isJsonObject(condition) &&
    getString(condition, 'key') === 'room_id' &&
    getString(condition, 'pattern') === oldRoomId
  const names = ruleId?.includes(oldRoomId) === true
  if (ruleId === undefined || !(names || conditions?.some(isAbout) === true)) return undefined
  const actions = getArray(rule, 'actions') ?? []
  const moved = conditions?.map((condition) =>
    isJsonObject(condition) && isAbout(condition) ? { ...condition, pattern: roomId } : condition,
  )
  return {
    ruleId: names ? ruleId.replaceAll(oldRoomId, roomId) : `${ruleId} ${roomId}`,
    rule: { actions, ...(moved !== undefined && { conditions: moved }) },
  }
}
