import type { Presence, Receipt } from '../../components/ephemeral/index.js'
import type { RoomEvent, TopologicalToken } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import type { RoomId, UserId } from '../../protocol/ids.js'
import { quote } from '../../protocol/json.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted } from '../json-text.js'
import { type RoomView, stateIn } from '../room-view.js'
import { timelineToken } from '../timeline-token.js'
import { withoutIgnored } from './message-pagination.js'

/** What the ways of reading that `/sync` has replaced have in common: their answers are put together from these. */

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'ephemeral' | 'streamClock'>

export interface LegacyRoom {
  readonly roomId: RoomId
  readonly view: RoomView
  readonly membership: string | undefined
  readonly limit: number
}

/** RoomInfo of `/initialSync`: the newest messages and the state, for somebody who has left as they were then. */
export async function roomInfoText(
  deps: Deps,
  user: Requester,
  { roomId, view, membership, limit }: LegacyRoom,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { roomserver } = deps
  const state = await stateIn(roomserver, roomId, view)
  const from = view.kind === 'left' ? placeOf(view.event) : 'end'
  const page =
    limit === 0
      ? { events: [], end: undefined }
      : await roomserver.page({ roomId, from, direction: 'b', limit, viewer: user.userId })
  const shown = await withoutIgnored(deps, user, page.events)
  const newest = page.events[0]
  const end =
    newest === undefined ? await roomserver.topologicalToken(roomId, deps.streamClock.visible) : placeOf(newest)
  return objectText({
    room_id: quote(roomId),
    membership: quoted(membership),
    visibility: quote((await roomserver.isPublished(roomId)) ? 'public' : 'private'),
    messages: objectText({
      start: quote(timelineToken(page.end ?? startOf(page.events) ?? end)),
      end: quote(timelineToken(end)),
      chunk: arrayText(await roomserver.present(shown.toReversed(), user)),
    }),
    state: arrayText(await roomserver.present(state, user)),
    account_data: arrayText(await accountDataTexts(deps, user.userId, roomId)),
    ...more,
  })
}

/** Account data of a room, or what belongs to none. */
export async function accountDataTexts(
  { userapi, streamClock }: Deps,
  userId: UserId,
  roomId: RoomId | undefined,
): Promise<string[]> {
  const entries = await userapi.accountDataBetween(userId, 0, streamClock.visible)
  return entries
    .filter((entry) => entry.roomId === roomId)
    .map(({ type, content }) => objectText({ type: quote(type), content }))
}

/** Unlike in `/sync`, the user is named within the content as well. */
export function presenceText(presence: Presence, now: number): string {
  const { userId, state, statusMessage, lastActiveTs, currentlyActive } = presence
  const content = objectText({
    user_id: quote(userId),
    presence: quote(state),
    last_active_ago: String(Math.max(0, now - lastActiveTs)),
    currently_active: String(currentlyActive),
    status_msg: quoted(statusMessage),
  })
  return objectText({ type: quote('m.presence'), sender: quote(userId), content })
}

/** One `m.receipt` for each room. */
export function receiptTexts(receipts: readonly Receipt[]): string[] {
  const byRoom = new Map<RoomId, Receipt[]>()
  for (const receipt of receipts) byRoom.set(receipt.roomId, [...(byRoom.get(receipt.roomId) ?? []), receipt])
  return Array.from(byRoom, ([roomId, ofRoom]) => {
    const content: Record<string, Record<string, Record<string, object>>> = Object.create(null)
    for (const { eventId, type, userId, ts, threadId } of ofRoom) {
      content[eventId] ??= Object.create(null) as Record<string, Record<string, object>>
      const types = content[eventId]
      types[type] ??= Object.create(null) as Record<string, object>
      types[type][userId] = { ts, ...(threadId !== undefined && { thread_id: threadId }) }
    }
    return objectText({ type: quote('m.receipt'), room_id: quote(roomId), content: JSON.stringify(content) })
  })
}

export function typingText(roomId: RoomId, userIds: readonly UserId[]): string {
  const content = objectText({ user_ids: arrayText(userIds.map(quote)) })
  return objectText({ type: quote('m.typing'), room_id: quote(roomId), content })
}

function placeOf({ depth, position }: RoomEvent): TopologicalToken {
  return { depth, position: position ?? 0 }
}

function startOf(events: readonly RoomEvent[]): TopologicalToken | undefined {
  const oldest = events.at(-1)
  return oldest && { depth: oldest.depth, position: (oldest.position ?? 0) - 1 }
}
