import { z } from 'zod'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { withAuth } from '../schema/json.js'

const FLOWS = [['m.login.password']]

export function loginTokenRoutes({
  userapi,
  userInteractive,
}: Pick<RouteDeps, 'userapi' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v1/login/get_token',
      auth: 'user',
      rateLimit: 'client',
      body: z.looseObject(withAuth),
      async handler(request) {
        const { user, body } = request
        await userInteractive.authorise({ requester: user, flows: FLOWS, body, request })
        const { token, expiresInMs } = await userapi.newLoginToken(user.userId)
        return { login_token: token, expires_in_ms: expiresInMs }
      },
    }),
  ]
}
