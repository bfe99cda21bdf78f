import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { Reply, type Route, route } from '../route.js'
import { filterSchema } from '../schema/filter.js'
import { userIdSchema } from '../schema/ids.js'
import { requireOwn } from './own-user.js'

export function filterRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/user/{userId}/filter',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ userId: userIdSchema }),
      body: filterSchema,
      async handler({ user, params, rawBody }) {
        requireOwn(user, params.userId)
        // An empty body is the filter that lets everything through.
        return { filter_id: await userapi.saveFilter(user.userId, rawBody === '' ? '{}' : rawBody) }
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/user/{userId}/filter/{filterId}',
      versions: ['r0'],
      auth: 'user',
      params: z.object({ userId: userIdSchema, filterId: z.string() }),
      async handler({ user, params }) {
        requireOwn(user, params.userId)
        const filter = await userapi.filter(user.userId, params.filterId)
        if (filter === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such filter')
        return new Reply({ body: filter })
      },
    }),
  ]
}
