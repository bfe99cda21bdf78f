import { leaveRoom } from '../../workflows/leave-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { reasonedBody, reasonIn } from '../schema/reason.js'

export function leavingRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/leave',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: roomParams,
      body: reasonedBody,
      async handler({ user, params, body }) {
        await leaveRoom({ roomserver }, { user, roomId: params.roomId, custom: reasonIn(body) })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/forget',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      async handler({ user, params }) {
        await roomserver.forget(params.roomId, user.userId)
        return {}
      },
    }),
  ]
}
