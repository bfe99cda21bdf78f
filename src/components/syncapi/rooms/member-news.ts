import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import type { StateChange } from '../../roomserver/index.js'
import type { MemberNews } from '../streams/device-lists.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import { membershipOf, type RoomPart, type RoomPlan } from './room-plan.js'

/** A change of somebody's membership in a room of the user. */
export interface MemberChange {
  readonly roomId: RoomId
  readonly change: StateChange
}

/** Changes of others' memberships among those of a room's state. */
export function memberChanges(roomId: RoomId, changes: readonly StateChange[], own: UserId): MemberChange[] {
  return changes
    .filter(({ type, stateKey }) => type === 'm.room.member' && stateKey !== own)
    .map((change) => ({ roomId, change }))
}

/** Who came and went: four statements at most, and none unless somebody did. */
export async function readMemberNews(
  sources: SyncSources,
  view: Pick<SyncView, 'since'>,
  plan: Pick<RoomPlan, 'joined' | 'left'>,
  changes: readonly MemberChange[],
): Promise<MemberNews> {
  const came = new Set<UserId>()
  const went = new Map<RoomId, Set<UserId>>()
  if (view.since === undefined) return { came, went: new Set(), wentEncrypted: new Set() }
  const before = await sources.roomserver.events(changes.flatMap(({ change }) => change.replaced ?? []))
  for (const { roomId, change } of changes) {
    const wasJoined = membershipOf(before.get(change.replaced as EventId)) === 'join'
    const isJoined = membershipOf(change.event) === 'join'
    const userId = change.stateKey as UserId
    if (isJoined && !wasJoined) came.add(userId)
    if (wasJoined && !isJoined) went.set(roomId, (went.get(roomId) ?? new Set()).add(userId))
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
