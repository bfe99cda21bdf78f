import type { UserId } from '../../../protocol/ids.js'
import { quote } from '../../../protocol/json.js'
import type { Presence } from '../../ephemeral/index.js'
import { objectText } from '../json-text.js'
import type { SyncSources, SyncView } from '../sync-view.js'

/**
 * Presence of the user and of those who share a room with them: what changed, and everything about people who are new
 * to them (`newcomers`).
 */
export async function readPresence(
  sources: SyncSources,
  view: SyncView,
  newcomers: Iterable<UserId>,
): Promise<string[]> {
  const { ephemeral } = sources
  const { presence } = view.filter
  if (!ephemeral.enabled || !presence.types.allows('m.presence')) return []
  const found = new Map<UserId, KnownPresence>()
  for (const change of await changedPresence(sources, view)) found.set(change.userId, change)
  for (const known of await presenceOf(
    sources,
    [...newcomers].filter((userId) => !found.has(userId)),
  )) {
    found.set(known.userId, known)
  }
  const now = sources.time.now()
  return [...found.values()]
    .filter(({ userId }) => !view.ignored.has(userId) && presence.senders.allows(userId))
    .map((known) => presenceText(known, now))
}

async function changedPresence(sources: SyncSources, view: SyncView): Promise<Presence[]> {
  const { roomserver, ephemeral, presenceChanges } = sources
  const { userId } = view.requester
  const { since, upTo } = view
  const changed = since === undefined ? undefined : presenceChanges.between(since, upTo)
  if (changed?.size === 0) return []
  const candidates =
    changed === undefined
      ? await view.sharing()
      : await roomserver.sharesRoomWith(userId, [...changed].filter((key) => key !== userId) as UserId[])
  const users = new Set(candidates)
  if (changed === undefined || changed.has(userId)) users.add(userId)
  return users.size === 0 ? [] : ephemeral.presenceBetween(users, since ?? 0, upTo)
}

type KnownPresence = Omit<Presence, 'position' | 'lastActiveTs'> & { readonly lastActiveTs: number | undefined }

/** Of this server's users who were never seen it is known that they are not here. */
async function presenceOf({ ephemeral, userapi }: SyncSources, userIds: readonly UserId[]): Promise<KnownPresence[]> {
  if (userIds.length === 0) return []
  const known = await ephemeral.presence(userIds)
  const unseen = userIds.filter((userId) => userapi.isLocal(userId) && !known.has(userId))
  const offline = {
    state: 'offline',
    statusMessage: undefined,
    lastActiveTs: undefined,
    currentlyActive: false,
  } as const
  return [...known.values(), ...unseen.map((userId) => ({ userId, ...offline }))]
}

function presenceText(presence: KnownPresence, now: number): string {
  const { userId, state, statusMessage, lastActiveTs, currentlyActive } = presence
  const content = objectText([
    ['presence', quote(state)],
    ['last_active_ago', lastActiveTs === undefined ? undefined : String(Math.max(0, now - lastActiveTs))],
    ['currently_active', String(currentlyActive)],
    ['status_msg', statusMessage === undefined ? undefined : quote(statusMessage)],
  ])
  return `{"content":${content},"sender":${quote(userId)},"type":"m.presence"}`
}
