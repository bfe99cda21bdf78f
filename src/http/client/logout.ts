import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

export function logoutRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/logout',
      versions: ['r0'],
      auth: 'guest',
      async handler({ user }) {
        await userapi.deleteDevices(user.userId, [user.deviceId])
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/logout/all',
      versions: ['r0'],
      auth: 'guest',
      async handler({ user }) {
        await userapi.deleteAllDevices(user.userId)
        return {}
      },
    }),
  ]
}
