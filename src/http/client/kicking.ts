import { kickUser } from '../../workflows/moderate.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { reasonContent, targetBody } from '../schema/reason.js'

export function kickingRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/kick',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body: targetBody,
      async handler({ user, params: { roomId }, body }) {
        await kickUser({ roomserver }, { user, roomId, target: body.user_id, custom: reasonContent(body.reason) })
        return {}
      },
    }),
  ]
}
