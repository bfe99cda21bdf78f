import type { RoomEvent } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { powerLevelOf, requiredLevel } from '../protocol/auth/index.js'
import { allowedRoomsIn, guestAccessIn, joinRuleIn } from '../protocol/event/content.js'
import { type EventId, parseUserId, type RoomId, type UserId } from '../protocol/ids.js'
import { getObject, getString, getValue, type JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { roomVersion } from '../protocol/room-version.js'
import { membershipContent } from './membership-content.js'
import { authStateOf, profileContent, type RoomParts, refuseSuspended } from './room-parts.js'

export interface JoinRequest {
  readonly user: Requester
  /** A room that this server takes part in. */
  readonly roomId: RoomId
  /** What the client wants in its membership event beside the profile, `reason` among it. */
  readonly custom: JsonObject
  /** Proof that an invitation by e-mail or the like was for this user. */
  readonly thirdPartySigned?: JsonObject | undefined
}

/**
 * Joins a room. In this order: suspended accounts, joined already, guests, a third-party invite is turned into an invite, the
 * member who lets the user into a restricted room is found; the rest is for the auth rules to judge.
 * @throws MatrixError M_USER_SUSPENDED, M_GUEST_ACCESS_FORBIDDEN, M_FORBIDDEN
 */
export async function joinRoom(parts: RoomParts, request: JoinRequest): Promise<EventId> {
  const { roomserver, userapi } = parts
  const { user, roomId, custom } = request
  refuseSuspended(user)
  const current = await roomserver.membership(roomId, user.userId)
  if (current?.membership === 'join' && Object.keys(custom).length === 0) return current.eventId
  if (user.accountType === 'guest') await requireGuestAccess(parts, roomId)
  const isExpected = current?.membership === 'join' || current?.membership === 'invite'
  if (request.thirdPartySigned !== undefined && !isExpected) {
    await acceptThirdPartyInvite(parts, user.userId, roomId, request.thirdPartySigned)
  }
  const authorisedBy = isExpected ? undefined : await authorisingMember(parts, roomId, user.userId)
  const content = {
    ...membershipContent('join', { profile: profileContent(await userapi.profile(user.userId)), custom }),
    ...(authorisedBy === undefined ? {} : { join_authorised_via_users_server: authorisedBy }),
  }
  const type = 'm.room.member'
  const draft = { roomId, sender: user.userId, type, stateKey: user.userId, content, unlessUnchanged: true }
  return (await roomserver.send(draft)).eventId
}

async function requireGuestAccess({ roomserver }: RoomParts, roomId: RoomId): Promise<void> {
  const access = await roomserver.stateEvent(roomId, 'm.room.guest_access', '')
  if (guestAccessIn(access?.content) !== 'can_join') {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'This room does not let guests in')
  }
}

/**
 * Who stands surety for a join into a restricted room (`join_authorised_via_users_server`): a member of this server who may
 * invite, if the user is in one of the rooms that the join rules name. Undefined where nobody has to or nobody can.
 */
async function authorisingMember(
  { roomserver }: RoomParts,
  roomId: RoomId,
  userId: UserId,
): Promise<UserId | undefined> {
  const rules = await roomserver.stateEvent(roomId, 'm.room.join_rules', '')
  if (!isRestricted(rules)) return undefined
  const memberships = await roomserver.memberships(userId)
  if (!allowedRoomsIn(rules.content).some((allowed) => memberships.get(allowed)?.membership === 'join')) {
    return undefined
  }
  const state = await authStateOf(roomserver, roomId, [])
  const needed = requiredLevel('invite', state)
  let chosen: { readonly userId: UserId; readonly level: number } | undefined
  for (const member of await roomserver.localJoinedMembers(roomId)) {
    const level = powerLevelOf(member, state)
    if (level >= needed && level > (chosen?.level ?? Number.NEGATIVE_INFINITY)) chosen = { userId: member, level }
  }
  return chosen?.userId
}

function isRestricted(rules: RoomEvent | undefined): rules is RoomEvent {
  if (rules === undefined) return false
  const rule = joinRuleIn(rules.content)
  const { restrictedJoins, knockRestricted } = rules.pdu.version
  return (restrictedJoins && rule === 'restricted') || (knockRestricted && rule === 'knock_restricted')
}

/**
 * Turns a pending `m.room.third_party_invite` into an invite for the user, by whoever made it; the auth rules check token and
 * signature (CS "Third-party invites").
 *
 * An invite whose keys have to be asked for at an identity server (`key_validity_url`) is refused: this server asks none,
 * and a key that it cannot check may have been revoked.
 * @throws MatrixError M_FORBIDDEN
 */
async function acceptThirdPartyInvite(
  { roomserver, userapi }: RoomParts,
  userId: UserId,
  roomId: RoomId,
  signed: JsonObject,
): Promise<void> {
  const token = getString(signed, 'token')
  const pending =
    token === undefined ? undefined : await roomserver.stateEvent(roomId, 'm.room.third_party_invite', token)
  const sender = parseUserId(getString(signed, 'sender') ?? '')
  const signatures = getObject(signed, 'signatures')
  const isFor = getString(signed, 'mxid') === userId
  if (token === undefined || pending === undefined || pending.sender !== sender || signatures === undefined || !isFor) {
    throw new MatrixError('M_FORBIDDEN', 'There is no such invitation by a third-party identifier')
  }
  if (!userapi.isLocal(pending.sender) || needsIdentityServer(pending.content)) {
    throw new MatrixError('M_FORBIDDEN', 'The invitation cannot be checked: this server asks no identity servers')
  }
  const profile = profileContent(await userapi.profile(userId))
  const thirdPartyInvite = {
    display_name: getString(pending.content, 'display_name') ?? '',
    signed: { mxid: userId, token, signatures },
  }
  await roomserver.send({
    roomId,
    sender: pending.sender,
    type: 'm.room.member',
    stateKey: userId,
    content: { ...membershipContent('invite', { profile }), third_party_invite: thirdPartyInvite },
  })
}

function needsIdentityServer(content: JsonObject): boolean {
  if (getValue(content, 'key_validity_url') !== undefined) return true
  const keys = getValue(content, 'public_keys')
  return Array.isArray(keys) && keys.some((key) => typeof key === 'object' && key !== null && 'key_validity_url' in key)
}

/** A knock (CS "Knocking on rooms"). @throws MatrixError M_USER_SUSPENDED, M_GUEST_ACCESS_FORBIDDEN, M_FORBIDDEN, M_NOT_FOUND */
export async function knockOnRoom(
  { roomserver, userapi }: RoomParts,
  request: { readonly user: Requester; readonly roomId: RoomId; readonly custom: JsonObject },
): Promise<EventId> {
  const { user, roomId, custom } = request
  refuseSuspended(user)
  if (user.accountType === 'guest') throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may not knock')
  const room = await roomserver.room(roomId)
  if (room !== undefined && roomVersion(room.version)?.knocking !== true) {
    throw new MatrixError('M_FORBIDDEN', `Rooms of version ${room.version} take no knocks`)
  }
  const profile = profileContent(await userapi.profile(user.userId))
  const content = membershipContent('knock', { profile, custom })
  const type = 'm.room.member'
  const draft = { roomId, sender: user.userId, type, stateKey: user.userId, content, unlessUnchanged: true }
  return (await roomserver.send(draft)).eventId
}
