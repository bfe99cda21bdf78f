import type { RoomId } from '../../../protocol/ids.js'
import { quote } from '../../../protocol/json.js'
import type { RoomUnreadCounts, UnreadCounts } from '../../pushserver/index.js'
import type { RoomEvent, RoomSummary } from '../../roomserver/index.js'
import { arrayText, eventsText, objectText, stringsText } from '../json-text.js'
import type { SyncView } from '../sync-view.js'
import { formatToken } from '../tokens.js'
import type { RoomDetails } from './room-details.js'
import type { Timeline } from './timeline.js'

/** Everything of one room in an answer. */
export interface RoomContents {
  readonly roomId: RoomId
  readonly timeline: Timeline | undefined
  readonly details: RoomDetails | undefined
  readonly ephemeral: readonly string[]
  readonly accountData: readonly string[]
  readonly unread: RoomUnreadCounts | undefined
}

/** False when the filter has left nothing of what has happened, and it was nothing to be counted. */
export function hasContents({ timeline, details, ephemeral, accountData, unread }: RoomContents): boolean {
  if (details?.summary !== undefined || timeline?.limited === true) return true
  const lists = [timeline?.events, details?.state, ephemeral, accountData]
  return lists.some((list) => list !== undefined && list.length > 0) || (unread?.all.notifications ?? 0) > 0
}

type TextOf = (event: RoomEvent) => string

export function joinedRoomText(view: SyncView, room: RoomContents, textOf: TextOf): string {
  const { details, unread } = room
  return objectText([
    ['summary', details?.summary && summaryText(details.summary, details.named)],
    stateMember(view, room, textOf),
    ['timeline', timelineText(view, room.timeline, textOf)],
    ['ephemeral', eventsText(room.ephemeral)],
    ['account_data', eventsText(room.accountData)],
    ...unreadMembers(view, unread),
  ])
}

/** A room that the user is not in: left, or looked into. */
export function otherRoomText(view: SyncView, room: RoomContents, textOf: TextOf): string {
  return objectText([
    stateMember(view, room, textOf),
    ['timeline', timelineText(view, room.timeline, textOf)],
    ['account_data', eventsText(room.accountData)],
  ])
}

const STATE_NAMES = { no: 'state', stable: 'state_after', unstable: 'org.matrix.msc4222.state_after' } as const

function stateMember({ stateAfter }: SyncView, { details }: RoomContents, textOf: TextOf): readonly [string, string] {
  return [STATE_NAMES[stateAfter], eventsText((details?.state ?? []).map(textOf))]
}

function timelineText({ since = 0 }: SyncView, timeline: Timeline | undefined, textOf: TextOf): string {
  const prevBatch = timeline?.prevBatch ?? formatToken(since)
  return objectText([
    ['events', arrayText((timeline?.events ?? []).map(textOf))],
    ['limited', String(timeline?.limited ?? false)],
    ['prev_batch', quote(prevBatch)],
  ])
}

/** Heroes make up for a name: a room that has one is shown without. */
function summaryText({ heroes, joinedMembers, invitedMembers }: RoomSummary, named: boolean): string {
  return objectText([
    ['m.heroes', named ? undefined : stringsText(heroes)],
    ['m.joined_member_count', String(joinedMembers)],
    ['m.invited_member_count', String(invitedMembers)],
  ])
}

/** CS API "Receiving notifications": with counts for threads, the room's own are of the main timeline alone. */
function* unreadMembers(
  view: SyncView,
  unread: RoomUnreadCounts | undefined,
): Iterable<readonly [string, string | undefined]> {
  if (unread === undefined) return
  const { unreadThreads } = view.filter.timeline
  yield ['unread_notifications', countsText(unreadThreads ? unread.main : unread.all)]
  if (!unreadThreads) return
  const threads = Array.from(unread.threads, ([root, counts]) => [root, countsText(counts)] as const)
  yield ['unread_thread_notifications', threads.length === 0 ? undefined : objectText(threads)]
}

function countsText({ notifications, highlights }: UnreadCounts): string {
  return `{"highlight_count":${highlights},"notification_count":${notifications}}`
}
