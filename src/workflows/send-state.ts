import type { Requester } from '../components/userapi/index.js'
import { guestAccessIn } from '../protocol/event/content.js'
import { type EventId, parseUserId, type RoomId, type UserId } from '../protocol/ids.js'
import { getString, type JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { checkEventNames } from './event-names.js'
import { findRoom } from './find-room.js'
import { inviteUser } from './invite-user.js'
import { joinRoom, knockOnRoom } from './join-room.js'
import { leaveRoom } from './leave-room.js'
import { membershipContent } from './membership-content.js'
import { banUser, kickUser, unbanUser } from './moderate.js'
import { type RoomParts, refuseSuspended, requireJoined } from './room-parts.js'
import { checkCanonicalAlias, checkStateContent, checkTombstone } from './state-guards.js'

export interface StateRequest {
  readonly user: Requester
  readonly roomId: RoomId
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** What these do depends on what was there. */
const LOOKS_BACK: ReadonlySet<string> = new Set(['m.room.canonical_alias', 'm.room.guest_access'])

/**
 * Sets a piece of state. Saying what is so already makes no event. Memberships go the same way as through paths of
 * their own.
 * @throws MatrixError M_FORBIDDEN, M_USER_SUSPENDED, M_TOO_LARGE, M_BAD_JSON, M_INVALID_PARAM, M_BAD_ALIAS
 */
export async function sendState(parts: RoomParts, request: StateRequest): Promise<EventId> {
  const { roomserver, userapi } = parts
  const { user, roomId, type, stateKey, content } = request
  checkEventNames(type, stateKey)
  if (type === 'm.room.member') return sendMembership(parts, request)
  refuseSuspended(user)
  await requireJoined(roomserver, roomId, user.userId)
  checkStateContent(type, content, userapi.serverName)
  if (type === 'm.room.tombstone') checkTombstone(content, roomId)
  const before = LOOKS_BACK.has(type) ? (await roomserver.stateEvent(roomId, type, stateKey))?.content : undefined
  if (type === 'm.room.canonical_alias') await checkCanonicalAlias(roomserver, { content, roomId, before })
  const draft = { roomId, sender: user.userId, type, stateKey, content, unlessUnchanged: true }
  const { eventId } = await roomserver.send(draft)
  if (type === 'm.room.guest_access' && guestAccessIn(before) !== guestAccessIn(content) && stateKey === '') {
    if (guestAccessIn(content) === 'forbidden') await sendGuestsAway(parts, roomId)
  }
  return eventId
}

/** @throws MatrixError M_BAD_JSON, and what each way throws */
async function sendMembership(parts: RoomParts, request: StateRequest): Promise<EventId> {
  const { user, roomId, stateKey, content } = request
  const target = parseUserId(stateKey)
  if (target === undefined) throw new MatrixError('M_BAD_JSON', 'The state key of a membership is a user ID')
  const custom = customContent(content)
  const own = { user, roomId, custom }
  const moderation = { ...own, target }
  switch (getString(content, 'membership')) {
    case 'join':
      if (target !== user.userId) throw new MatrixError('M_FORBIDDEN', 'Nobody joins for somebody else')
      return joinRoom(parts, { ...own, roomId: await findRoom(parts, roomId) })
    case 'leave':
      if (target === user.userId) return leaveRoom(parts, own)
      return (await isBanned(parts, moderation)) ? unbanUser(parts, moderation) : kickUser(parts, moderation)
    case 'invite':
      return inviteUser(parts, moderation)
    case 'ban':
      return banUser(parts, moderation)
    case 'knock':
      if (target !== user.userId) throw new MatrixError('M_FORBIDDEN', 'Nobody knocks for somebody else')
      return knockOnRoom(parts, { ...own, roomId: await findRoom(parts, roomId) })
    default:
      throw new MatrixError('M_BAD_JSON', 'membership: one of join, leave, invite, ban, knock is expected')
  }
}

async function isBanned(
  { roomserver }: RoomParts,
  { roomId, target }: { readonly roomId: RoomId; readonly target: UserId },
): Promise<boolean> {
  return (await roomserver.membership(roomId, target))?.membership === 'ban'
}

/** What is said beside the membership itself. */
function customContent(content: JsonObject): JsonObject {
  const { membership: _membership, ...custom } = membershipContent('leave', { custom: content })
  return custom
}

/** CS "Guest access": when a room closes to guests, this server takes its guests out. */
async function sendGuestsAway({ roomserver, userapi }: RoomParts, roomId: RoomId): Promise<void> {
  const guests = []
  for (const userId of await roomserver.localJoinedMembers(roomId)) {
    if ((await userapi.account(userId))?.type === 'guest') guests.push(userId)
  }
  if (guests.length === 0) return
  const content = membershipContent('leave', { reason: 'The room has been closed to guests' })
  const type = 'm.room.member'
  await roomserver.sendAll(guests.map((guest) => ({ roomId, sender: guest, type, stateKey: guest, content })))
}
