import type { RoomEvent, RoomServer } from '../components/roomserver/index.js'
import type { EventId, RoomId, UserId } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

/**
 * An event of a room, for somebody who may see it. What they may not see is answered like what is not there.
 * @throws MatrixError M_NOT_FOUND
 */
export async function visibleEvent(
  roomserver: Pick<RoomServer, 'event' | 'visibleTo'>,
  userId: UserId,
  { roomId, eventId }: { readonly roomId?: RoomId; readonly eventId: EventId },
): Promise<RoomEvent> {
  const event = await roomserver.event(eventId)
  const isHere = event !== undefined && (roomId === undefined || event.roomId === roomId)
  const [seen] = isHere ? await roomserver.visibleTo(userId, [event]) : []
  if (seen === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such event, or you may not see it')
  return seen
}
