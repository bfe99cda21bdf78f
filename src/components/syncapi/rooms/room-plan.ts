import { membershipIn } from '../../../protocol/event/content.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'
import type { Membership, RoomEvent, RoomMembership } from '../../roomserver/index.js'
import type { PeekedRooms } from '../peeks.js'
import type { SyncSources, SyncView } from '../sync-view.js'

/** A room of the answer that has a timeline, and from where to where it is told. */
export interface RoomPart {
  readonly roomId: RoomId
  readonly section: 'join' | 'leave' | 'peek'
  /** Told as if the client knew nothing of it: joined since the token, or an initial sync. */
  readonly fresh: boolean
  /** The client knows everything up to here. */
  readonly after: number
  /** Where the answer ends; for a room that was left, where the user left it. */
  readonly upTo: number
  /** Never joined: only that it is over is told. */
  readonly onlyOwnMembership: boolean
}

/** What the user's memberships make of each room. */
export interface RoomPlan {
  /** Every joined room that the filter lets through; which of them have anything new is decided later. */
  readonly joined: readonly RoomPart[]
  readonly left: readonly RoomPart[]
  /** Rooms that the device looks into from outside. */
  readonly peeked: readonly RoomPart[]
  readonly invited: readonly RoomMembership[]
  readonly knocked: readonly RoomMembership[]
}

/** Memberships of the user in rooms at one place of the clock. */
type OwnMemberships = ReadonlyMap<RoomId, Membership>

/**
 * Sorts the user's rooms into the sections of the answer. Memberships are remembered as they are now, which can be later
 * than where the answer ends: what began after that is looked up as it was.
 */
export async function planRooms(
  sources: SyncSources,
  view: SyncView,
  memberships: ReadonlyMap<RoomId, RoomMembership>,
  peeked: PeekedRooms,
): Promise<RoomPlan> {
  const wanted: RoomMembership[] = []
  for (const membership of memberships.values())
    if (view.filter.rooms.allows(membership.roomId)) wanted.push(membership)
  const settled = wanted.filter(({ position }) => position <= view.upTo)
  const tooNew = wanted.filter(({ position }) => position > view.upTo)
  const isNew = ({ position }: RoomMembership) => view.since === undefined || position > view.since
  const joined = settled.filter(({ membership }) => membership === 'join')
  const plan = {
    joined: joined.map((room) => joinedPart(view, room.roomId, isNew(room))),
    left: await leftParts(
      sources,
      view,
      settled.filter((room) => isTold(room, view, isNew(room))),
    ),
    peeked: peekedParts(view, memberships, peeked),
    invited: settled.filter((room) => room.membership === 'invite' && isNew(room) && !view.ignored.has(room.sender)),
    knocked: settled.filter((room) => room.membership === 'knock' && isNew(room)),
  }
  return tooNew.length === 0 ? plan : withRoomsAsTheyWere(sources, view, plan, tooNew)
}

/** Whoever is in a room does not look into it from outside. */
function peekedParts(
  view: SyncView,
  memberships: ReadonlyMap<RoomId, RoomMembership>,
  peeked: PeekedRooms,
): RoomPart[] {
  const parts: RoomPart[] = []
  for (const [roomId, position] of peeked) {
    if (position > view.upTo || !view.filter.rooms.allows(roomId)) continue
    if (memberships.get(roomId)?.membership === 'join') continue
    parts.push({ ...joinedPart(view, roomId, view.since === undefined || position > view.since), section: 'peek' })
  }
  return parts
}

function joinedPart({ since, upTo }: SyncView, roomId: RoomId, fresh: boolean): RoomPart {
  const after = fresh || since === undefined ? 0 : since
  return { roomId, section: 'join', fresh, after, upTo, onlyOwnMembership: false }
}

/** Whether a room that the user is not in any more has a place in the answer. */
function isTold({ membership, forgotten }: RoomMembership, { since, filter }: SyncView, isNew: boolean): boolean {
  if ((membership !== 'leave' && membership !== 'ban') || forgotten) return false
  return isNew && (since !== undefined || filter.includeLeave)
}

async function leftParts(sources: SyncSources, view: SyncView, left: readonly RoomMembership[]): Promise<RoomPart[]> {
  if (left.length === 0) return []
  const { since } = view
  const { userId } = view.requester
  const before = await ownMemberships(
    sources,
    userId,
    left.map(({ roomId, position }) => ({ roomId, position: position - 1 })),
  )
  const atSince = since === undefined ? new Map() : await ownMemberships(sources, userId, atPosition(left, since))
  return left.map(({ roomId, position }) => {
    const wasJoined = atSince.get(roomId) === 'join'
    return {
      roomId,
      section: 'leave',
      fresh: !wasJoined,
      after: since !== undefined && wasJoined ? since : 0,
      upTo: position,
      onlyOwnMembership: !wasJoined && before.get(roomId) !== 'join',
    }
  })
}

/** Rooms whose membership has changed since the clock was read: an invite among them is told when the answer gets there. */
async function withRoomsAsTheyWere(
  sources: SyncSources,
  view: SyncView,
  plan: RoomPlan,
  rooms: readonly RoomMembership[],
): Promise<RoomPlan> {
  const { userId } = view.requester
  const now = await ownMemberships(sources, userId, atPosition(rooms, view.upTo))
  const then =
    view.since === undefined ? new Map() : await ownMemberships(sources, userId, atPosition(rooms, view.since))
  const joined = [...plan.joined]
  const left = [...plan.left]
  for (const { roomId } of rooms) {
    const wasJoined = then.get(roomId) === 'join'
    const part = joinedPart(view, roomId, !wasJoined)
    const membership = now.get(roomId)
    if (membership === 'join') joined.push(part)
    else if (wasJoined && (membership === 'leave' || membership === 'ban')) left.push({ ...part, section: 'leave' })
  }
  return { ...plan, joined, left }
}

function atPosition(rooms: readonly RoomMembership[], position: number) {
  return rooms.map(({ roomId }) => ({ roomId, position }))
}

async function ownMemberships(
  { roomserver }: SyncSources,
  userId: UserId,
  at: readonly { readonly roomId: RoomId; readonly position: number }[],
): Promise<OwnMemberships> {
  const states = await roomserver.stateAtPosition(at, [['m.room.member', userId]])
  const memberships = new Map<RoomId, Membership>()
  for (const [roomId, events] of states) {
    const membership = membershipOf(events[0])
    if (membership !== undefined) memberships.set(roomId, membership)
  }
  return memberships
}

export function membershipOf(event: RoomEvent | undefined): Membership | undefined {
  return event === undefined ? undefined : membershipIn(event.content)
}
