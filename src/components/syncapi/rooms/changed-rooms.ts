import type { RoomId } from '../../../protocol/ids.js'
import { PUSH_STREAMS } from '../../pushserver/index.js'
import { ROOM_STREAMS } from '../../roomserver/index.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import type { RoomPart } from './room-plan.js'

/** When the feed names more rooms than this it has forgotten: then asking the database is worth a statement. */
const DOUBTFUL = 20

/** Joined rooms whose timeline or state the answer tells. */
export async function movedRooms(
  { feed, roomserver, startedAt }: SyncSources,
  { since, fullState }: SyncView,
  joined: readonly RoomPart[],
): Promise<RoomPart[]> {
  if (since === undefined || fullState) return [...joined]
  const known = joined.filter(({ fresh }) => !fresh).map(({ roomId }) => roomId)
  let moved = feed.changedSince(ROOM_STREAMS.rooms, known, since) as RoomId[]
  if (moved.length > DOUBTFUL || (since < startedAt && moved.length > 0)) {
    moved = await roomserver.roomsChangedSince(moved, since)
  }
  const wanted = new Set(moved)
  return joined.filter(({ fresh, roomId }) => fresh || wanted.has(roomId))
}

/**
 * Rooms whose unread counts changed without an event. What was before the start is not known, and shows in the user's
 * receipts, which are stored.
 */
export function recountedRooms(
  { feed, startedAt }: SyncSources,
  { requester, since }: SyncView,
  joined: readonly RoomPart[],
): Set<RoomId> {
  if (since === undefined || since < startedAt) return new Set()
  const prefix = `${requester.userId}\0`
  const keys = joined.map(({ roomId }) => prefix + roomId)
  const changed = feed.changedSince(PUSH_STREAMS.unreadCounts, keys, since)
  return new Set(changed.map((key) => key.slice(prefix.length) as RoomId))
}
