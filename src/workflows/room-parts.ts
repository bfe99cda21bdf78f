import type { RoomServer } from '../components/roomserver/index.js'
import type { Requester, UserApi } from '../components/userapi/index.js'
import type { AuthState } from '../protocol/auth/index.js'
import { memberProfileIn } from '../protocol/event/content.js'
import type { Pdu } from '../protocol/event/pdu.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import type { JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'

/** What the actions of users in rooms need. */
export interface RoomParts {
  readonly roomserver: RoomServer
  readonly userapi: UserApi
}

/** Suspended users may read and leave, and redact what is theirs (CS "Account suspension"). @throws MatrixError M_USER_SUSPENDED */
export function refuseSuspended(user: Requester): void {
  if (user.suspended) throw new MatrixError('M_USER_SUSPENDED', 'This account is suspended')
}

/**
 * Only members may go on. A room that is not known here is answered like one that the user is not in: nobody learns by
 * trying which rooms there are.
 * @throws MatrixError M_FORBIDDEN
 */
export async function requireJoined(
  roomserver: Pick<RoomServer, 'membership'>,
  roomId: RoomId,
  userId: UserId,
): Promise<void> {
  const membership = await roomserver.membership(roomId, userId)
  if (membership?.membership !== 'join') throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
}

/** `displayname` and `avatar_url` of a user of this server, as membership events carry them. */
export function profileContent(profile: JsonObject | undefined): JsonObject {
  const { displayName, avatarUrl } = memberProfileIn(profile ?? {})
  return {
    ...(displayName === undefined ? {} : { displayname: displayName }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
  }
}

/** The current state of these types with the empty key, and the memberships of these users, for questions of power. One statement. */
export async function authStateOf(
  roomserver: Pick<RoomServer, 'currentState'>,
  roomId: RoomId,
  users: readonly UserId[],
): Promise<AuthState> {
  const tuples = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
    ...users.map((userId) => ['m.room.member', userId] as const),
  ] as const
  const events = (await roomserver.currentState([roomId], tuples)).get(roomId) ?? []
  const byType = new Map<string, Map<string, Pdu>>()
  for (const { type, stateKey = '', pdu } of events) {
    const keys = byType.get(type) ?? new Map<string, Pdu>()
    byType.set(type, keys.set(stateKey, pdu))
  }
  return { get: (type, stateKey) => byType.get(type)?.get(stateKey) }
}
