import type { RoomId } from '../../protocol/ids.js'
import { quote } from '../../protocol/json.js'
import { KEY_STREAMS, type KeyCounts } from '../keyserver/index.js'
import type { RoomMembership } from '../roomserver/index.js'
import { deviceKey } from './device-key.js'
import { arrayText, eventsText, objectText, stringsText } from './json-text.js'
import { openRooms, type PeekedRooms } from './peeks.js'
import { movedRooms, recountedRooms } from './rooms/changed-rooms.js'
import { type ComposedRooms, composeRooms, type RoomSelection } from './rooms/compose-rooms.js'
import { readMemberNews } from './rooms/member-news.js'
import { planRooms, type RoomPlan } from './rooms/room-plan.js'
import { type AccountData, readAccountData } from './streams/account-data.js'
import { type DeviceLists, readDeviceLists } from './streams/device-lists.js'
import { readEphemeral } from './streams/ephemeral.js'
import { inviteText, knockText, shownInvites } from './streams/invites.js'
import { readPresence } from './streams/presence.js'
import type { SyncSources, SyncView } from './sync-view.js'
import { formatToken } from './tokens.js'

/** An answer of `/sync`. */
export interface Answer {
  readonly text: string
  /** Nothing is in it that the client would want to be woken for. */
  readonly empty: boolean
}

/** The parts of an answer as they were read. */
interface Parts {
  readonly rooms: ComposedRooms
  readonly invited: readonly RoomMembership[]
  readonly knocked: readonly RoomMembership[]
  readonly accountData: readonly string[]
  readonly presence: readonly string[]
  readonly toDevice: readonly string[]
  readonly deviceLists: DeviceLists
  readonly keyCounts: KeyCounts
}

/**
 * One answer, in this order: which rooms, what is the user's own, what is new in rooms, who came and went, and what
 * follows from that. Everything is read up to the same place of the clock.
 */
export async function compose(
  sources: SyncSources,
  view: SyncView,
  memberships: ReadonlyMap<RoomId, RoomMembership>,
  peeked: PeekedRooms,
  toDevice: readonly string[],
): Promise<Answer> {
  const { requester, since } = view
  const plan = await planRooms(sources, view, memberships, peeked)
  const accountData = await readAccountData(sources, view, plan)
  const selection = await selectRooms(sources, view, plan, accountData)
  const rooms = await composeRooms(sources, view, selection)
  const news = await readMemberNews(sources, view, plan, rooms.memberChanges)
  const parts: Parts = {
    rooms,
    invited: await shownInvites(sources, view, plan.invited),
    knocked: plan.knocked,
    accountData: accountData.global,
    presence: await readPresence(sources, view, news.came),
    toDevice,
    deviceLists: await readDeviceLists(sources, view, news),
    keyCounts: await sources.keyserver.keyCounts(requester.userId, requester.deviceId),
  }
  const countsKey = deviceKey(requester.userId, requester.deviceId)
  const countsChanged = sources.feed.mayHaveChanged(KEY_STREAMS.keyCounts, countsKey, since ?? 0)
  return { text: answerText(view, parts), empty: !countsChanged && isEmpty(parts) }
}

async function selectRooms(
  sources: SyncSources,
  view: SyncView,
  plan: RoomPlan,
  accountData: AccountData,
): Promise<RoomSelection> {
  const moved = await movedRooms(sources, view, plan.joined)
  const peeked = await movedRooms(sources, view, plan.peeked)
  const open = await openRooms(
    sources.roomserver,
    peeked.map(({ roomId }) => roomId),
  )
  const ephemeral = await readEphemeral(sources, view, plan.joined)
  const recounted = recountedRooms(sources, view, plan.joined)
  const isMoved = new Set(moved)
  const still = plan.joined.filter((part) => {
    const { roomId } = part
    const hasNews = ephemeral.rooms.has(roomId) || accountData.rooms.has(roomId) || recounted.has(roomId)
    return hasNews && !isMoved.has(part)
  })
  const visiblePeeks = peeked.filter(({ roomId }) => open.has(roomId))
  return { moved: [...moved, ...visiblePeeks, ...plan.left], still, accountData, ephemeral }
}

function isEmpty(parts: Parts): boolean {
  const { rooms, invited, knocked, accountData, presence, toDevice, deviceLists } = parts
  const lists = [rooms.join, rooms.peek, rooms.leave, invited, knocked, accountData, presence, toDevice]
  return lists.every(({ length }) => length === 0) && deviceLists.changed.size === 0 && deviceLists.left.size === 0
}

function answerText({ since, upTo }: SyncView, parts: Parts): string {
  const { deviceLists, keyCounts } = parts
  const counts = Array.from(keyCounts.oneTimeKeys, ([algorithm, count]) => [algorithm, String(count)] as const)
  const unused = stringsText(keyCounts.unusedFallbackKeyAlgorithms)
  return objectText([
    ['next_batch', quote(formatToken(upTo))],
    ['account_data', eventsUnlessNone(parts.accountData)],
    ['presence', eventsUnlessNone(parts.presence)],
    ['to_device', eventsUnlessNone(parts.toDevice)],
    ['device_lists', since === undefined ? undefined : deviceListsText(deviceLists)],
    ['device_one_time_keys_count', objectText(counts)],
    ['device_unused_fallback_key_types', unused],
    ['org.matrix.msc2732.device_unused_fallback_key_types', unused],
    ['rooms', roomsText(parts)],
  ])
}

function eventsUnlessNone(events: readonly string[]): string | undefined {
  return events.length === 0 ? undefined : eventsText(events)
}

function deviceListsText({ changed, left }: DeviceLists): string | undefined {
  if (changed.size === 0 && left.size === 0) return undefined
  return `{"changed":${arrayText(Array.from(changed, quote))},"left":${arrayText(Array.from(left, quote))}}`
}

function roomsText({ rooms, invited, knocked }: Parts): string | undefined {
  const sections: [string, (readonly [string, string])[]][] = [
    ['join', [...rooms.join]],
    ['invite', invited.map((room) => [room.roomId, inviteText(room)])],
    ['knock', knocked.map((room) => [room.roomId, knockText(room)])],
    ['leave', [...rooms.leave]],
    ['peek', [...rooms.peek]],
  ]
  const told = sections.filter(([, texts]) => texts.length > 0)
  return told.length === 0 ? undefined : objectText(told.map(([section, texts]) => [section, objectText(texts)]))
}
