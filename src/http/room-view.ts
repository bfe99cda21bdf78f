import type { RoomEvent, RoomServer } from '../components/roomserver/index.js'
import { historyVisibilityIn, membershipIn } from '../protocol/event/content.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

/** The room as somebody may see it: as it is, or as it was when they left, by their membership event. */
export type RoomView = { readonly kind: 'current' } | { readonly kind: 'left'; readonly event: RoomEvent }

type Reads = Pick<RoomServer, 'membership' | 'mayPeek' | 'stateEvent' | 'event' | 'stateAroundEvent'>

const CURRENT: RoomView = { kind: 'current' }

/** Memberships after the one that left (bans, invites, knocks, each taken back) that are looked through. */
const MAX_CHANGES = 20

/**
 * How a user may look into a room; a room that is not known is answered like one that they may not see.
 * @throws MatrixError M_FORBIDDEN
 */
export async function viewOf(roomserver: Reads, userId: UserId, roomId: RoomId): Promise<RoomView> {
  const membership = await roomserver.membership(roomId, userId)
  if (membership?.membership === 'join') return CURRENT
  await requirePeek(roomserver, userId, roomId)
  if (await isWorldReadable(roomserver, roomId)) return CURRENT
  let event = membership && (await roomserver.event(membership.eventId))
  for (let changes = 0; event !== undefined && changes < MAX_CHANGES; changes++) {
    const before = await roomserver.stateAroundEvent(event, 'before')
    const earlier = before.find(({ type, stateKey }) => type === 'm.room.member' && stateKey === userId)
    if (earlier !== undefined && membershipIn(earlier.content) === 'join') return { kind: 'left', event }
    event = earlier
  }
  throw notAMember()
}

/** The state of a room for one who looks at it in this way; `tuples` narrows it. */
export async function stateIn(
  roomserver: Pick<RoomServer, 'currentState' | 'stateAroundEvent'>,
  roomId: RoomId,
  view: RoomView,
  wanted?: { readonly type: string; readonly stateKey?: string },
): Promise<RoomEvent[]> {
  if (view.kind === 'current') {
    const tuples = wanted === undefined ? undefined : [[wanted.type, wanted.stateKey] as const]
    return (await roomserver.currentState([roomId], tuples)).get(roomId) ?? []
  }
  const state = await roomserver.stateAroundEvent(view.event, 'after')
  if (wanted === undefined) return state
  const { type, stateKey } = wanted
  return state.filter((event) => event.type === type && (stateKey === undefined || event.stateKey === stateKey))
}

/** @throws MatrixError M_FORBIDDEN */
export async function requirePeek(
  roomserver: Pick<RoomServer, 'mayPeek'>,
  userId: UserId,
  roomId: RoomId,
): Promise<void> {
  if (!(await roomserver.mayPeek(userId, roomId))) throw notAMember()
}

export async function isWorldReadable(roomserver: Pick<RoomServer, 'stateEvent'>, roomId: RoomId): Promise<boolean> {
  const visibility = await roomserver.stateEvent(roomId, 'm.room.history_visibility', '')
  return visibility !== undefined && historyVisibilityIn(visibility.content) === 'world_readable'
}

export function notAMember(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'You are not in this room')
}
