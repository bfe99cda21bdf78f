import type { EventDraft, RoomServer } from '../components/roomserver/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { throwUnexpected } from './outcomes.js'

type Rooms = Pick<RoomServer, 'sendAll'>

/**
 * Takes a user of this server out of every room, and turns down what they are invited to. Returns the rooms that they
 * have left; one that refuses (nobody may leave it as it is) is not among them.
 */
export async function evacuateUser(
  roomserver: Rooms & Pick<RoomServer, 'memberships'>,
  userId: UserId,
): Promise<RoomId[]> {
  const memberships = [...(await roomserver.memberships(userId)).values()]
  const present = memberships.filter(({ membership }) => ['join', 'invite', 'knock'].includes(membership))
  const left = await leaveAll(
    roomserver,
    present.map(({ roomId }) => ({ roomId, userId })),
  )
  return left.map(({ roomId }) => roomId)
}

/** Takes everybody of this server out of a room. Returns who has left. @throws MatrixError M_NOT_FOUND */
export async function evacuateRoom(
  {
    roomserver,
    userapi,
  }: {
    readonly roomserver: Rooms & Pick<RoomServer, 'members' | 'room'>
    readonly userapi: Pick<UserApi, 'isLocal'>
  },
  roomId: RoomId,
): Promise<UserId[]> {
  if ((await roomserver.room(roomId)) === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such room')
  const members = (await roomserver.members([roomId], ['join'])).get(roomId) ?? []
  const local = members.filter(({ userId }) => userapi.isLocal(userId))
  const left = await leaveAll(
    roomserver,
    local.map(({ userId }) => ({ roomId, userId })),
  )
  return left.map(({ userId }) => userId)
}

/** One batch, in which each succeeds or fails by itself. Returns those that have succeeded. */
async function leaveAll<Place extends { readonly roomId: RoomId; readonly userId: UserId }>(
  roomserver: Rooms,
  places: readonly Place[],
): Promise<Place[]> {
  if (places.length === 0) return []
  const outcomes = await roomserver.sendAll(
    places.map(
      ({ roomId, userId }): EventDraft => ({
        roomId,
        sender: userId,
        type: 'm.room.member',
        stateKey: userId,
        content: { membership: 'leave' },
      }),
    ),
  )
  throwUnexpected(outcomes)
  return places.filter((_place, index) => outcomes[index]?.status === 'fulfilled')
}
