import { z } from 'zod'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

export function refreshRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/refresh',
      auth: 'none',
      rateLimit: 'login',
      body: z.looseObject({ refresh_token: z.string() }),
      async handler({ body }) {
        const { accessToken, refreshToken, expiresInMs } = await userapi.refresh(body.refresh_token)
        return { access_token: accessToken, refresh_token: refreshToken, expires_in_ms: expiresInMs }
      },
    }),
  ]
}
