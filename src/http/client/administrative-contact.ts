import { type Route, route } from '../route.js'

/** No e-mail address or phone number can be added to an account on this server (capability `m.3pid_changes`). */
export function administrativeContactRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/account/3pid',
      versions: ['r0'],
      auth: 'user',
      handler: async () => ({ threepids: [] }),
    }),
  ]
}
