import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { deactivateAccount } from '../../workflows/deactivate-account.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { withAuth } from '../schema/json.js'

const FLOWS = [['m.login.password']]

export function accountDeactivationRoutes({
  userapi,
  roomserver,
  userInteractive,
}: Pick<RouteDeps, 'userapi' | 'roomserver' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/account/deactivate',
      versions: ['r0'],
      auth: 'optional',
      rateLimit: 'client',
      body: z.looseObject({ ...withAuth, erase: z.boolean().default(false) }),
      async handler(request) {
        const { user, body } = request
        if (user?.accountType === 'guest') {
          throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot be deactivated')
        }
        const { userId } = await userInteractive.authorise({ requester: user, flows: FLOWS, body, request })
        if (userId === undefined) throw new MatrixError('M_FORBIDDEN', 'Nobody has been authenticated')
        await deactivateAccount({ userapi, roomserver }, userId, { erase: body.erase })
        // No address of anybody is bound through this server, so there is nothing that could fail to be unbound.
        return { id_server_unbind_result: 'success' }
      },
    }),
  ]
}
