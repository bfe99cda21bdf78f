import { parseRoomAlias, parseRoomId, type RoomAlias, type RoomId, serverNameOf } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'
import type { RoomParts } from './room-parts.js'

/**
 * The room that a path of `/join` or `/knock` names, which this server takes part in. Rooms and aliases of other servers
 * are as unknown as any: this server has nobody whom it could ask for them.
 * @throws MatrixError M_INVALID_PARAM (neither a room ID nor an alias), M_NOT_FOUND
 */
export async function findRoom(parts: RoomParts, idOrAlias: string): Promise<RoomId> {
  const roomId = idOrAlias.startsWith('#') ? await roomOfAlias(parts, idOrAlias) : parseRoomId(idOrAlias)
  if (roomId === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is neither a room ID nor a room alias')
  const room = await parts.roomserver.room(roomId)
  if (room?.participating !== true) {
    throw new MatrixError('M_NOT_FOUND', 'This room is not known here, and there is no server to ask for it')
  }
  return roomId
}

async function roomOfAlias(parts: RoomParts, text: string): Promise<RoomId> {
  const alias = parseRoomAlias(text)
  if (alias === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is no valid room alias')
  return (await findAlias(parts, alias)).roomId
}

/** @throws MatrixError M_NOT_FOUND, also for aliases of other servers */
export async function findAlias({ roomserver, userapi }: RoomParts, alias: RoomAlias) {
  const found = serverNameOf(alias) === userapi.serverName ? await roomserver.alias(alias) : undefined
  if (found === undefined) throw new MatrixError('M_NOT_FOUND', `There is no room alias ${alias}`)
  return found
}
