import type { RoomServer } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { maySend } from '../protocol/auth/index.js'
import { canonicalAliasIn } from '../protocol/event/content.js'
import { type RoomAlias, type RoomId, serverNameOf } from '../protocol/ids.js'
import type { JsonObject, JsonValue } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { aliasQueue } from './alias-queue.js'
import { findAlias } from './find-room.js'
import { authStateOf, type RoomParts, refuseSuspended, requireJoined } from './room-parts.js'

interface AliasRequest {
  readonly user: Requester
  readonly alias: RoomAlias
}

/**
 * Gives a room a name in the directory: any member may.
 * @throws MatrixError M_INVALID_PARAM (alias of another server), M_FORBIDDEN, M_UNKNOWN 409 (taken)
 */
export async function addAlias(
  { roomserver, userapi }: RoomParts,
  { user, alias, roomId }: AliasRequest & { readonly roomId: RoomId },
): Promise<void> {
  refuseSuspended(user)
  if (serverNameOf(alias) !== userapi.serverName) {
    throw new MatrixError('M_INVALID_PARAM', `Room aliases of this server end with :${userapi.serverName}`)
  }
  await requireJoined(roomserver, roomId, user.userId)
  await aliasQueue.run(alias, () => roomserver.createAlias(alias, roomId, user.userId))
}

/**
 * Takes a name away: whoever gave it may, and whoever may say what the room's aliases are, and administrators. It is taken out
 * of `m.room.canonical_alias` as well, where the user has the power for that.
 * @throws MatrixError M_NOT_FOUND, M_FORBIDDEN
 */
export async function deleteAlias(parts: RoomParts, { user, alias }: AliasRequest): Promise<void> {
  const { roomserver } = parts
  refuseSuspended(user)
  const { roomId, creator } = await findAlias(parts, alias)
  const mayChangeState = await mayManageDirectory(roomserver, user, roomId)
  if (creator !== user.userId && user.accountType !== 'admin' && !mayChangeState) {
    throw new MatrixError('M_FORBIDDEN', 'This alias is not yours to delete')
  }
  await roomserver.removeAlias(alias)
  if (mayChangeState) await removeFromState(roomserver, user, { alias, roomId })
}

/** Members with the power to say which aliases the room has also decide what the directory tells of it. */
export async function mayManageDirectory(
  roomserver: Pick<RoomServer, 'currentState'>,
  { userId }: Requester,
  roomId: RoomId,
): Promise<boolean> {
  return maySend(userId, 'm.room.canonical_alias', true, await authStateOf(roomserver, roomId, [userId]))
}

/** @throws MatrixError M_NOT_FOUND (unknown room), M_FORBIDDEN */
export async function setPublished(
  { roomserver }: Pick<RoomParts, 'roomserver'>,
  { user, roomId, published }: { readonly user: Requester; readonly roomId: RoomId; readonly published: boolean },
): Promise<void> {
  refuseSuspended(user)
  if ((await roomserver.room(roomId)) === undefined) throw new MatrixError('M_NOT_FOUND', 'This room is not known here')
  if (user.accountType !== 'admin' && !(await mayManageDirectory(roomserver, user, roomId))) {
    throw new MatrixError('M_FORBIDDEN', 'You may not change what the room directory shows')
  }
  await roomserver.setPublished(roomId, published)
}

async function removeFromState(
  roomserver: RoomServer,
  { userId }: Requester,
  { alias, roomId }: { readonly alias: RoomAlias; readonly roomId: RoomId },
): Promise<void> {
  const type = 'm.room.canonical_alias'
  const current = await roomserver.stateEvent(roomId, type, '')
  if (current === undefined) return
  const named = canonicalAliasIn(current.content)
  if (named.alias !== alias && !named.altAliases.includes(alias)) return
  const content = withoutAlias(current.content, alias)
  // The alias is gone already; that somebody took the power away in this moment changes nothing about it.
  await roomserver.sendAll([{ roomId, sender: userId, type, stateKey: '', content }])
}

function withoutAlias(content: JsonObject, alias: RoomAlias): JsonObject {
  const rest: Record<string, JsonValue> = Object.create(null)
  for (const [key, value] of Object.entries(content)) {
    if (key === 'alias' && value === alias) continue
    rest[key] = key === 'alt_aliases' && Array.isArray(value) ? value.filter((other) => other !== alias) : value
  }
  return rest
}
