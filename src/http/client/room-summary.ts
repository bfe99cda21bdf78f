import { z } from 'zod'
import type { JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { describeRooms, type RoomDescription } from '../../workflows/describe-room.js'
import { findRoom } from '../../workflows/find-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { directoryEntry } from './list-public-rooms.js'

const UNSTABLE = '/_matrix/client/unstable/im.nheko.summary'

/** A room for those who consider joining it. matrix-js-sdk asks under the names that it had as a proposal (MSC3266). */
export function roomSummaryRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  const summary = (path: string, unstable: boolean) =>
    route({
      method: 'GET',
      path,
      auth: 'optional',
      rateLimit: 'client',
      params: z.object({ roomIdOrAlias: z.string() }),
      async handler({ user, params }) {
        const roomId = await findRoom(deps, params.roomIdOrAlias)
        const described = (await describeRooms(deps, user?.userId, [roomId])).get(roomId)
        if (described === undefined) throw new MatrixError('M_NOT_FOUND', 'This room is not known here')
        return {
          ...roomSummary(described),
          ...(user !== undefined && { membership: described.membership?.membership ?? 'leave' }),
          ...(unstable && unstableNames(described)),
        }
      },
    })
  return [
    summary('/_matrix/client/v1/room_summary/{roomIdOrAlias}', false),
    summary(`${UNSTABLE}/summary/{roomIdOrAlias}`, true),
    summary(`${UNSTABLE}/rooms/{roomIdOrAlias}/summary`, true),
  ]
}

/** definitions/room_summary.yaml */
export function roomSummary({ room, allowedRoomIds }: RoomDescription): JsonObject {
  return {
    ...directoryEntry(room),
    room_version: room.roomVersion,
    ...(room.encryption !== undefined && { encryption: room.encryption }),
    ...(allowedRoomIds.length > 0 && { allowed_room_ids: [...allowedRoomIds] }),
  }
}

function unstableNames({ room }: RoomDescription): JsonObject {
  return {
    'im.nheko.summary.room_version': room.roomVersion,
    'im.nheko.summary.version': room.roomVersion,
    ...(room.encryption !== undefined && { 'im.nheko.summary.encryption': room.encryption }),
  }
}
