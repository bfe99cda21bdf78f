import type { Membership } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import type { EventId, RoomId, UserId } from '../protocol/ids.js'
import type { JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { membershipContent } from './membership-content.js'
import { type RoomParts, refuseSuspended, requireJoined } from './room-parts.js'

export interface Moderation {
  readonly user: Requester
  readonly roomId: RoomId
  readonly target: UserId
  readonly custom: JsonObject
}

type Parts = Pick<RoomParts, 'roomserver'>

/** Who is in the room, invited or knocking. */
const PRESENT: ReadonlySet<Membership | undefined> = new Set<Membership>(['join', 'invite', 'knock'])

/** @throws MatrixError M_FORBIDDEN, also for somebody who is not there to be kicked */
export async function kickUser({ roomserver }: Parts, moderation: Moderation): Promise<EventId> {
  const current = await targetMembership({ roomserver }, moderation)
  if (!PRESENT.has(current)) throw new MatrixError('M_FORBIDDEN', `${moderation.target} is not in this room`)
  return setMembership({ roomserver }, moderation, 'leave')
}

/** @throws MatrixError M_FORBIDDEN */
export async function banUser({ roomserver }: Parts, moderation: Moderation): Promise<EventId> {
  await targetMembership({ roomserver }, moderation)
  return setMembership({ roomserver }, moderation, 'ban')
}

/** @throws MatrixError M_FORBIDDEN, also for somebody who is not banned */
export async function unbanUser({ roomserver }: Parts, moderation: Moderation): Promise<EventId> {
  const current = await targetMembership({ roomserver }, moderation)
  if (current !== 'ban') throw new MatrixError('M_FORBIDDEN', `${moderation.target} is not banned`)
  return setMembership({ roomserver }, moderation, 'leave')
}

/** Of the target, for a moderator who is in the room. */
async function targetMembership(
  { roomserver }: Parts,
  { user, roomId, target }: Moderation,
): Promise<Membership | undefined> {
  refuseSuspended(user)
  await requireJoined(roomserver, roomId, user.userId)
  return (await roomserver.membership(roomId, target))?.membership
}

async function setMembership(
  { roomserver }: Parts,
  { user, roomId, target, custom }: Moderation,
  membership: 'leave' | 'ban',
): Promise<EventId> {
  const content = membershipContent(membership, { custom })
  const draft = { roomId, sender: user.userId, type: 'm.room.member', stateKey: target, content, unlessUnchanged: true }
  return (await roomserver.send(draft)).eventId
}
