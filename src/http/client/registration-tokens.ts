import { z } from 'zod'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { requireOpen } from './registration.js'

export function registrationTokensRoutes({ config, userapi }: Pick<RouteDeps, 'config' | 'userapi'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/register/m.login.registration_token/validity',
      auth: 'none',
      rateLimit: 'register',
      query: z.looseObject({ token: z.string() }),
      async handler({ query }) {
        requireOpen(config)
        return { valid: await userapi.isRegistrationTokenValid(query.token) }
      },
    }),
  ]
}
