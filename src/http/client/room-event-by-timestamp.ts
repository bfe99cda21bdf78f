import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { requirePeek } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'

/** The event nearest to a time, among those that the user may see. */
export function roomEventByTimestampRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/rooms/{roomId}/timestamp_to_event',
      auth: 'user',
      params: roomParams,
      query: z.object({ ts: queryInteger, dir: z.enum(['b', 'f']).default('f') }),
      async handler({ user, params: { roomId }, query: { ts, dir } }) {
        await requirePeek(roomserver, user.userId, roomId)
        const event = await roomserver.eventNearTime({ roomId, ts, direction: dir, viewer: user.userId })
        if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no event in that direction')
        return { event_id: event.eventId, origin_server_ts: event.originServerTs }
      },
    }),
  ]
}
