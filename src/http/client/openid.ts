import { z } from 'zod'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { requireOwn } from './own-user.js'

export function openidRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/user/{userId}/openid/request_token',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ userId: userIdSchema }),
      body: jsonObjectSchema,
      async handler({ user, params }) {
        requireOwn(user, params.userId)
        const { token, expiresInMs } = await userapi.newOpenIdToken(user.userId)
        return {
          access_token: token,
          token_type: 'Bearer',
          matrix_server_name: userapi.serverName,
          expires_in: Math.floor(expiresInMs / 1000),
        }
      },
    }),
  ]
}
