import type { Requester } from '../components/userapi/index.js'
import type { EventId, RoomId } from '../protocol/ids.js'
import type { JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { membershipContent } from './membership-content.js'
import type { RoomParts } from './room-parts.js'

/**
 * Leaves a room, turns down an invite or takes back a knock. Who has left already is told so once more.
 * @throws MatrixError M_FORBIDDEN for somebody who never was in the room, or is banned
 */
export async function leaveRoom(
  { roomserver }: Pick<RoomParts, 'roomserver'>,
  { user, roomId, custom }: { readonly user: Requester; readonly roomId: RoomId; readonly custom: JsonObject },
): Promise<EventId> {
  const current = await roomserver.membership(roomId, user.userId)
  if (current === undefined) throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
  if (current.membership === 'leave') return current.eventId
  const content = membershipContent('leave', { custom })
  const sent = await roomserver.send({
    roomId,
    sender: user.userId,
    type: 'm.room.member',
    stateKey: user.userId,
    content,
  })
  return sent.eventId
}
