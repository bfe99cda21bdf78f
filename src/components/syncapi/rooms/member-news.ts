import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import type { Membership, RoomEvent, StateChange } from '../../roomserver/index.js'
import type { MemberNews } from '../streams/device-lists.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import { membershipOf, type RoomPart, type RoomPlan } from './room-plan.js'

/** A change of somebody's membership, or of what their member event says, in a room of the user. */
export interface MemberChange {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly before: Membership | undefined
  readonly after: Membership | undefined
}

/** Those among changes of state. One statement at most. */
export async function readMemberChanges(
  { roomserver }: SyncSources,
  changes: ReadonlyMap<RoomId, readonly StateChange[]>,
): Promise<MemberChange[]> {
  const ofMembers = Array.from(changes, ([roomId, ofRoom]) => ({
    roomId,
    changes: ofRoom.filter(({ type }) => type === 'm.room.member'),
  }))
  const replaced = ofMembers.flatMap((room) => room.changes.flatMap((change) => change.replaced ?? []))
  const before = replaced.length === 0 ? new Map<EventId, RoomEvent>() : await roomserver.events(replaced)
  return ofMembers.flatMap((room) =>
    room.changes.map((change) => ({
      roomId: room.roomId,
      userId: change.stateKey as UserId,
      before: change.replaced === undefined ? undefined : membershipOf(before.get(change.replaced)),
      after: membershipOf(change.event),
    })),
  )
}

/** Not just another name. */
export function isComingOrGoing({ before, after }: MemberChange): boolean {
  return before !== after
}

/** Who came and went: three statements at most, and none unless somebody did. */
export async function readMemberNews(
  sources: SyncSources,
  view: Pick<SyncView, 'since' | 'requester'>,
  plan: Pick<RoomPlan, 'joined' | 'left'>,
  changes: readonly MemberChange[],
): Promise<MemberNews> {
  const came = new Set<UserId>()
  const went = new Map<RoomId, Set<UserId>>()
  if (view.since === undefined) return { came, went: new Set(), wentEncrypted: new Set() }
  for (const { roomId, userId, before, after } of changes) {
    if (userId === view.requester.userId) continue
    if (after === 'join' && before !== 'join') came.add(userId)
    if (before === 'join' && after !== 'join') went.set(roomId, (went.get(roomId) ?? new Set()).add(userId))
  }
  const isOwnJoin = ({ fresh }: RoomPart) => fresh
  const isOwnLeave = ({ fresh }: RoomPart) => !fresh
  const joined = plan.joined.filter(isOwnJoin).map(({ roomId }) => roomId)
  const left = plan.left.filter(isOwnLeave).map(({ roomId }) => roomId)
  for (const members of (await joinedMembers(sources, joined)).values()) for (const userId of members) came.add(userId)
  for (const [roomId, members] of await joinedMembers(sources, left)) went.set(roomId, members)
  return { came, went: new Set([...went.values()].flatMap((users) => [...users])), ...(await encrypted(sources, went)) }
}

async function joinedMembers(
  { roomserver }: SyncSources,
  roomIds: readonly RoomId[],
): Promise<Map<RoomId, Set<UserId>>> {
  if (roomIds.length === 0) return new Map()
  const members = await roomserver.members(roomIds, ['join'])
  return new Map(Array.from(members, ([roomId, ofRoom]) => [roomId, new Set(ofRoom.map(({ userId }) => userId))]))
}

async function encrypted(
  { roomserver }: SyncSources,
  went: ReadonlyMap<RoomId, ReadonlySet<UserId>>,
): Promise<Pick<MemberNews, 'wentEncrypted'>> {
  const wentEncrypted = new Set<UserId>()
  if (went.size === 0) return { wentEncrypted }
  const states = await roomserver.currentState([...went.keys()], [['m.room.encryption', '']])
  for (const [roomId, users] of went) {
    if ((states.get(roomId)?.length ?? 0) > 0) for (const userId of users) wentEncrypted.add(userId)
  }
  return { wentEncrypted }
}
