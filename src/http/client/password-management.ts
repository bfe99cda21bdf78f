import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { checkNewPassword } from '../../workflows/register.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { withAuth } from '../schema/json.js'

const FLOWS = [['m.login.password']]

export function passwordManagementRoutes({
  userapi,
  userInteractive,
}: Pick<RouteDeps, 'userapi' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/account/password',
      versions: ['r0'],
      auth: 'optional',
      rateLimit: 'client',
      body: z.looseObject({
        ...withAuth,
        new_password: z.string().optional(),
        logout_devices: z.boolean().default(true),
      }),
      async handler(request) {
        const { user, body } = request
        if (user?.accountType === 'guest') throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests have no password')
        if (body.new_password !== undefined) checkNewPassword(body.new_password)
        const { userId } = await userInteractive.authorise({ requester: user, flows: FLOWS, body, request })
        if (userId === undefined) throw new MatrixError('M_FORBIDDEN', 'Nobody has been authenticated')
        if (body.new_password === undefined) throw new MatrixError('M_MISSING_PARAM', 'The new password is missing')
        await userapi.setPassword(userId, body.new_password)
        if (body.logout_devices) await userapi.deleteAllDevices(userId, user?.deviceId)
        return {}
      },
    }),
  ]
}
