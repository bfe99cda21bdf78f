import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { evacuateRoom, evacuateUser } from '../../workflows/evacuate.js'
import { checkNewPassword } from '../../workflows/register.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams, userIdSchema } from '../schema/ids.js'

const userParams = z.object({ userId: userIdSchema })

/** Dendrite's operations on accounts and on who is in which room. */
export function accountAdminRoutes(deps: Pick<RouteDeps, 'userapi' | 'roomserver'>): Route[] {
  const { userapi, roomserver } = deps
  return [
    route({
      method: 'POST',
      path: '/_dendrite/admin/resetPassword/{userId}',
      auth: 'admin',
      params: userParams,
      body: z.looseObject({ password: z.string(), logout_devices: z.boolean().default(false) }),
      async handler({ params, body }) {
        if (!userapi.isLocal(params.userId)) throw notOfThisServer()
        checkNewPassword(body.password)
        await userapi.setPassword(params.userId, body.password)
        if (body.logout_devices) await userapi.deleteAllDevices(params.userId)
        return { password_updated: true }
      },
    }),
    route({
      method: 'POST',
      path: '/_dendrite/admin/evacuateUser/{userId}',
      auth: 'admin',
      params: userParams,
      async handler({ params }) {
        if (!userapi.isLocal(params.userId)) throw notOfThisServer()
        return { affected: await evacuateUser(roomserver, params.userId) }
      },
    }),
    route({
      method: 'POST',
      path: '/_dendrite/admin/evacuateRoom/{roomId}',
      auth: 'admin',
      params: roomParams,
      handler: async ({ params }) => ({ affected: await evacuateRoom(deps, params.roomId) }),
    }),
  ]
}

function notOfThisServer(): MatrixError {
  return new MatrixError('M_INVALID_PARAM', 'Not a user of this server')
}
