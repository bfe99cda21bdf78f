import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

export function listJoinedRoomsRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/joined_rooms',
      versions: ['r0'],
      auth: 'user',
      async handler({ user }) {
        const memberships = [...(await roomserver.memberships(user.userId)).values()]
        const joined = memberships.filter(({ membership }) => membership === 'join')
        return { joined_rooms: joined.map(({ roomId }) => roomId) }
      },
    }),
  ]
}
