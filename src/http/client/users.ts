import { z } from 'zod'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 50

/** The user directory: whoever shares a room with the one who asks, or is in a public one. */
export function usersRoutes({ search }: Pick<RouteDeps, 'search'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/user_directory/search',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      body: z.object({ search_term: z.string(), limit: z.number().int().nonnegative().nullish() }),
      async handler({ user, body }) {
        const limit = Math.min(body.limit ?? DEFAULT_LIMIT, MAX_LIMIT)
        const { users, limited } = await search.users({ term: body.search_term, viewer: user.userId, limit })
        return {
          results: users.map(({ userId, displayName, avatarUrl }) => ({
            user_id: userId,
            ...(displayName !== undefined && { display_name: displayName }),
            ...(avatarUrl !== undefined && { avatar_url: avatarUrl }),
          })),
          limited,
        }
      },
    }),
  ]
}
