import { type Route, route } from '../route.js'

export function whoamiRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/account/whoami',
      versions: ['r0'],
      auth: 'guest',
      handler: async ({ user }) => ({
        user_id: user.userId,
        device_id: user.deviceId,
        is_guest: user.accountType === 'guest',
      }),
    }),
  ]
}
