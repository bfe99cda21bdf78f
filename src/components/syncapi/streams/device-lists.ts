import type { UserId } from '../../../protocol/ids.js'
import type { SyncSources, SyncView } from '../sync-view.js'

/** Who came and went between the token and the end of the answer, as far as this user shares rooms with them. */
export interface MemberNews {
  /** Others who joined rooms of the user, and everybody in rooms that the user joined. */
  readonly came: ReadonlySet<UserId>
  /** Others who left rooms of the user, and everybody in rooms that the user left. */
  readonly went: ReadonlySet<UserId>
  /** Of those, where the room was an encrypted one. */
  readonly wentEncrypted: ReadonlySet<UserId>
}

export interface DeviceLists {
  readonly changed: ReadonlySet<UserId>
  readonly left: ReadonlySet<UserId>
}

const NOBODY: DeviceLists = { changed: new Set(), left: new Set() }

/** CS API "Tracking the device list for a user": only in incremental answers. */
export async function readDeviceLists(sources: SyncSources, view: SyncView, news: MemberNews): Promise<DeviceLists> {
  const { since } = view
  if (since === undefined) return NOBODY
  const changed = new Set(await changedUsers(sources, view, since))
  for (const userId of news.came) changed.add(userId)
  const left = await usersLeft(sources, view.requester.userId, news)
  for (const userId of left) changed.delete(userId)
  return { changed, left }
}

async function changedUsers(
  { roomserver, keyserver, deviceListChanges }: SyncSources,
  { requester: { userId }, upTo, sharing }: SyncView,
  since: number,
): Promise<Set<UserId>> {
  const recent = deviceListChanges.between(since, upTo)
  if (recent?.size === 0) return new Set()
  const candidates =
    recent === undefined
      ? await sharing()
      : await roomserver.sharesRoomWith(userId, [...recent].filter((key) => key !== userId) as UserId[])
  const users = new Set(candidates)
  if (recent === undefined || recent.has(userId)) users.add(userId)
  return users.size === 0 ? users : keyserver.changedBetween(users, since, upTo, userId)
}

/**
 * Those who share no room any more; and for the end of an encrypted one, those who share no other encrypted one, even
 * where other rooms are left.
 */
async function usersLeft({ roomserver }: SyncSources, userId: UserId, news: MemberNews): Promise<Set<UserId>> {
  if (news.went.size === 0) return new Set()
  const left = new Set(news.went)
  for (const sharing of await roomserver.sharesRoomWith(userId, [...left])) left.delete(sharing)
  const elsewhere = [...news.wentEncrypted].filter((other) => !left.has(other))
  if (elsewhere.length > 0) {
    const sharing = await roomserver.sharesRoomWith(userId, elsewhere, { onlyEncrypted: true })
    for (const other of elsewhere) if (!sharing.has(other)) left.add(other)
  }
  left.delete(userId)
  return left
}
