import type { RoomId } from '../../../protocol/ids.js'
import { stringifyJson } from '../../../protocol/json.js'
import { PUSH_STREAMS } from '../../pushserver/index.js'
import { type AccountDataEntry, USER_STREAMS } from '../../userapi/index.js'
import { contentEventText } from '../json-text.js'
import type { RoomPlan } from '../rooms/room-plan.js'
import type { SyncSources, SyncView } from '../sync-view.js'

export interface AccountData {
  readonly global: readonly string[]
  readonly rooms: ReadonlyMap<RoomId, readonly string[]>
}

/** What changed of the user's own data, and all of it in rooms that are told as new. */
export async function readAccountData(sources: SyncSources, view: SyncView, plan: RoomPlan): Promise<AccountData> {
  const { userId } = view.requester
  const since = view.since ?? 0
  const changed = sources.feed.mayHaveChanged(USER_STREAMS.accountData, userId, since)
  const entries = changed ? await sources.userapi.accountDataBetween(userId, since, view.upTo) : []
  const fresh = new Set([...plan.joined, ...plan.left].filter((part) => part.fresh).map(({ roomId }) => roomId))
  const ofFreshRooms = view.since === undefined || fresh.size === 0 ? [] : await olderEntries(sources, view, fresh)
  const global: string[] = []
  const rooms = new Map<RoomId, string[]>()
  for (const { roomId, type, content } of [...ofFreshRooms, ...entries]) {
    if (roomId === undefined) {
      if (view.filter.accountData.types.allows(type)) global.push(contentEventText(type, content))
    } else if (isAllowedInRoom(view, roomId, type)) {
      const ofRoom = rooms.get(roomId) ?? []
      rooms.set(roomId, [...ofRoom, contentEventText(type, content)])
    }
  }
  const pushRules = await pushRulesText(sources, view)
  return { global: pushRules === undefined ? global : [...global, pushRules], rooms }
}

async function olderEntries(
  { userapi }: SyncSources,
  { requester, since }: SyncView,
  rooms: ReadonlySet<RoomId>,
): Promise<AccountDataEntry[]> {
  const entries = await userapi.accountDataBetween(requester.userId, 0, since ?? 0)
  return entries.filter(({ roomId }) => roomId !== undefined && rooms.has(roomId))
}

function isAllowedInRoom({ filter: { roomAccountData } }: SyncView, roomId: RoomId, type: string): boolean {
  return roomAccountData.rooms.allows(roomId) && roomAccountData.types.allows(type)
}

/** Push rules are shown as account data, and kept by another component. */
async function pushRulesText(sources: SyncSources, view: SyncView): Promise<string | undefined> {
  const { userId } = view.requester
  const { since, upTo, filter } = view
  if (!filter.accountData.types.allows('m.push_rules')) return undefined
  if (since === undefined)
    return contentEventText('m.push_rules', stringifyJson(await sources.pushserver.pushRules(userId)))
  if (!sources.feed.mayHaveChanged(PUSH_STREAMS.pushRules, userId, since)) return undefined
  const rules = await sources.pushserver.pushRulesBetween(userId, since, upTo)
  return rules && contentEventText('m.push_rules', stringifyJson(rules))
}
