import { banUser, unbanUser } from '../../workflows/moderate.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { reasonContent, targetBody } from '../schema/reason.js'

export function banningRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  const actions = [
    { path: '/_matrix/client/v3/rooms/{roomId}/ban', act: banUser },
    { path: '/_matrix/client/v3/rooms/{roomId}/unban', act: unbanUser },
  ]
  return actions.map(({ path, act }) =>
    route({
      method: 'POST',
      path,
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body: targetBody,
      async handler({ user, params: { roomId }, body }) {
        await act({ roomserver }, { user, roomId, target: body.user_id, custom: reasonContent(body.reason) })
        return {}
      },
    }),
  )
}
