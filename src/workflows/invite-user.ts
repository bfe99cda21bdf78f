import type { Requester, UserApi } from '../components/userapi/index.js'
import type { EventId, RoomId, UserId } from '../protocol/ids.js'
import { getString, isJsonObject, type JsonObject, parseStoredJson } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { membershipContent } from './membership-content.js'
import { profileContent, type RoomParts, refuseSuspended, requireJoined } from './room-parts.js'

export interface Invitation {
  readonly user: Requester
  readonly roomId: RoomId
  readonly target: UserId
  readonly custom: JsonObject
}

/**
 * Invites a user of this server. Inviting again says nothing new.
 * @throws MatrixError M_USER_SUSPENDED, M_FORBIDDEN (not in the room, no power, target joined or banned, of another
 *   server), M_NOT_FOUND (no such user), M_INVITE_BLOCKED
 */
export async function inviteUser(parts: RoomParts, { user, roomId, target, custom }: Invitation): Promise<EventId> {
  refuseSuspended(user)
  await requireJoined(parts.roomserver, roomId, user.userId)
  await checkInvitees(parts.userapi, [target])
  const profile = profileContent(await parts.userapi.profile(target))
  const content = membershipContent('invite', { profile, custom })
  const draft = { roomId, sender: user.userId, type: 'm.room.member', stateKey: target, content, unlessUnchanged: true }
  return (await parts.roomserver.send(draft)).eventId
}

/**
 * Whether all of them can be invited. Users of other servers cannot: an invite has to be handed over to their server, and
 * this one does not talk to others; it says so instead of leaving an invite in the room that nobody will ever see. Two
 * statements.
 * @throws MatrixError M_FORBIDDEN, M_NOT_FOUND, M_INVITE_BLOCKED (CS "Invite permission")
 */
export async function checkInvitees(userapi: UserApi, targets: readonly UserId[]): Promise<void> {
  if (targets.length === 0) return
  const remote = targets.find((target) => !userapi.isLocal(target))
  if (remote !== undefined) {
    throw new MatrixError('M_FORBIDDEN', `${remote} cannot be invited: this server does not talk to other servers`)
  }
  const existing = await userapi.existing(targets)
  const missing = targets.find((target) => !existing.has(target))
  if (missing !== undefined) throw new MatrixError('M_NOT_FOUND', `There is no user ${missing}`)
  const permissions = await userapi.accountDataOf(targets, 'm.invite_permission_config')
  for (const [target, text] of permissions) {
    const config = parseStoredJson(text)
    if (isJsonObject(config) && getString(config, 'default_action') === 'block') {
      throw new MatrixError('M_INVITE_BLOCKED', `${target} takes no invites`)
    }
  }
}

/**
 * Invites to e-mail addresses and the like need an identity server that this server's operator trusts, and there is none.
 * @throws MatrixError M_SERVER_NOT_TRUSTED always
 */
export function refuseThirdPartyInvite(): never {
  throw new MatrixError('M_SERVER_NOT_TRUSTED', 'This server works with no identity server: invite by user ID')
}
