import { changeInMemory } from '../../../platform/change-feed.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import { ROOM_STREAMS } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { FORGET_MEMBERSHIP, membershipOfCode, SELECT_MEMBERSHIP_CODE } from '../store/memberships.js'

/**
 * False: there was nothing to forget. A room that the user never was in is forgotten already.
 * @throws MatrixError M_UNKNOWN for somebody who is joined, invited or knocking
 */
export async function forgetRoom(internals: RoomInternals, roomId: RoomId, userId: UserId): Promise<boolean> {
  const { rooms, database, clock, feed } = internals
  const room = (await rooms.find([roomId])).get(roomId)
  if (room === undefined) return false
  const [forgotten] = await database.run(FORGET_MEMBERSHIP, room.nid, userId)
  if (forgotten === undefined) {
    const [row] = await database.run(SELECT_MEMBERSHIP_CODE, room.nid, userId)
    if (row === undefined || !isInRoom(row.membership)) return false
    throw new MatrixError('M_UNKNOWN', 'You have to leave the room before you can forget it')
  }
  await changeInMemory({ streamClock: clock, feed }, { stream: ROOM_STREAMS.memberships, keys: [userId] })
  return true
}

function isInRoom(code: number): boolean {
  const membership = membershipOfCode(code)
  return membership !== 'leave' && membership !== 'ban'
}
