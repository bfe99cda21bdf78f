import { z } from 'zod'
import type { SyncRequest } from '../../components/syncapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { Reply, type Route, route } from '../route.js'
import { queryBoolean, queryInteger } from '../schema/query.js'

const query = z.object({
  filter: z.string().optional(),
  since: z.string().optional(),
  full_state: queryBoolean.optional(),
  set_presence: z.enum(['offline', 'online', 'unavailable']).optional(),
  timeout: queryInteger.optional(),
  use_state_after: queryBoolean.optional(),
  'org.matrix.msc4222.use_state_after': queryBoolean.optional(),
})

type Query = z.output<typeof query>

export function syncRoutes({ syncapi, userapi }: Pick<RouteDeps, 'syncapi' | 'userapi'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/sync',
      versions: ['r0'],
      auth: 'guest',
      query,
      async handler({ user, query, signal }) {
        const body = await syncapi.sync({
          requester: user,
          since: query.since === '' ? undefined : query.since,
          filter: await filterOf(userapi, user.userId, query.filter),
          fullState: query.full_state ?? false,
          setPresence: query.set_presence ?? 'online',
          timeoutMs: query.timeout ?? 0,
          useStateAfter: stateAfterOf(query),
          signal,
        })
        return new Reply({ body })
      },
    }),
  ]
}

/** A filter's JSON begins with a brace; anything else is the id of a stored one. */
async function filterOf(
  userapi: RouteDeps['userapi'],
  userId: UserId,
  filter: string | undefined,
): Promise<string | undefined> {
  if (filter === undefined || filter === '' || filter.startsWith('{')) return filter || undefined
  const stored = await userapi.filter(userId, filter)
  if (stored === undefined) throw new MatrixError('M_INVALID_PARAM', 'There is no filter of that id')
  return stored
}

function stateAfterOf(query: Query): SyncRequest['useStateAfter'] {
  if (query.use_state_after === true) return 'stable'
  return query['org.matrix.msc4222.use_state_after'] === true ? 'unstable' : 'no'
}
