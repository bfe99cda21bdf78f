import { z } from 'zod'
import { findRoom } from '../../workflows/find-room.js'
import { knockOnRoom } from '../../workflows/join-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { reasonedBody, reasonIn } from '../schema/reason.js'

export function knockingRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ roomIdOrAlias: z.string() }),
      body: reasonedBody,
      async handler({ user, params, body }) {
        const roomId = await findRoom(deps, params.roomIdOrAlias)
        await knockOnRoom(deps, { user, roomId, custom: reasonIn(body) })
        return { room_id: roomId }
      },
    }),
  ]
}
