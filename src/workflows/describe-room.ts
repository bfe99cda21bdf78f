import type { PublicRoom, RoomEvent, RoomMembership } from '../components/roomserver/index.js'
import { allowedRoomsIn } from '../protocol/event/content.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import type { RoomParts } from './room-parts.js'

/** What there is to tell of a room to somebody who is perhaps not in it. */
export interface RoomDescription {
  readonly room: PublicRoom
  /** Rooms whose members may join it; empty unless its join rule asks for that. */
  readonly allowedRoomIds: readonly RoomId[]
  /** Of the user who asks. */
  readonly membership: RoomMembership | undefined
  /** `m.space.child` events, of a space. */
  readonly children: readonly RoomEvent[]
}

const OPEN_RULES: ReadonlySet<string> = new Set(['public', 'knock', 'knock_restricted'])
const RESTRICTED_RULES: ReadonlySet<string> = new Set(['restricted', 'knock_restricted'])

/**
 * Descriptions of those among the rooms that the user may know of: members and invited ones, those who may join or knock,
 * and everybody where the world may read (CS "Room summary", `GET /hierarchy`). Undefined: somebody without an account.
 * A room that is not here is left out like one that may not be shown. At most four statements.
 */
export async function describeRooms(
  { roomserver }: Pick<RoomParts, 'roomserver'>,
  userId: UserId | undefined,
  roomIds: readonly RoomId[],
): Promise<Map<RoomId, RoomDescription>> {
  const rooms = await roomserver.describeRooms(roomIds)
  const memberships = userId === undefined ? undefined : await roomserver.memberships(userId)
  const state = await roomserver.currentState(
    [...rooms.keys()],
    [
      ['m.room.join_rules', ''],
      ['m.space.child', undefined],
    ],
  )
  const described = new Map<RoomId, RoomDescription>()
  for (const [roomId, room] of rooms) {
    const events = state.get(roomId) ?? []
    const rules = events.find(({ type }) => type === 'm.room.join_rules')
    const allowedRoomIds =
      rules !== undefined && RESTRICTED_RULES.has(room.joinRule) ? allowedRoomsIn(rules.content) : []
    const membership = memberships?.get(roomId)
    const isAllowed = allowedRoomIds.some((allowed) => memberships?.get(allowed)?.membership === 'join')
    const isShown = isPresent(membership) || OPEN_RULES.has(room.joinRule) || room.worldReadable || isAllowed
    if (!isShown) continue
    const children = room.roomType === 'm.space' ? events.filter(({ type }) => type === 'm.space.child') : []
    described.set(roomId, { room, allowedRoomIds, membership, children })
  }
  return described
}

function isPresent(membership: RoomMembership | undefined): boolean {
  return membership?.membership === 'join' || membership?.membership === 'invite'
}
