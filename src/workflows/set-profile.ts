import type { EventDraft, RoomServer } from '../components/roomserver/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { UserId } from '../protocol/ids.js'
import { getString, type JsonObject, type JsonValue } from '../protocol/json.js'
import { throwUnexpected } from './outcomes.js'

export interface ProfileChange {
  readonly userId: UserId
  readonly field: string
  /** Undefined removes the field. */
  readonly value: JsonValue | undefined
}

/**
 * Changes a field of a profile. The two that members of a room see are written into the user's membership in every joined
 * room, all of them in one batch (CS "Events on Change of Profile Information"). A room that refuses keeps the old one.
 * @throws MatrixError M_NOT_FOUND, M_TOO_LARGE, M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE
 */
export async function setProfileField(
  { userapi, roomserver }: { readonly userapi: UserApi; readonly roomserver: RoomServer },
  { userId, field, value }: ProfileChange,
): Promise<void> {
  await userapi.setProfileField(userId, field, value)
  if (field !== 'displayname' && field !== 'avatar_url') return
  const content = membershipContent((await userapi.profile(userId)) ?? {})
  const drafts: EventDraft[] = []
  for (const { roomId, membership } of (await roomserver.memberships(userId)).values()) {
    if (membership !== 'join') continue
    drafts.push({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content, unlessUnchanged: true })
  }
  if (drafts.length > 0) throwUnexpected(await roomserver.sendAll(drafts))
}

/** What a profile adds to `membership` in the content of an m.room.member event. */
function membershipContent(profile: JsonObject): JsonObject {
  const displayName = getString(profile, 'displayname')
  const avatarUrl = getString(profile, 'avatar_url')
  return {
    membership: 'join',
    ...(displayName === undefined ? {} : { displayname: displayName }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
  }
}
