import { z } from 'zod'
import type { RoomEvent } from '../../components/roomserver/index.js'
import type { JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { spaceHierarchy } from '../../workflows/space-hierarchy.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryBoolean, queryInteger } from '../schema/query.js'
import { roomSummary } from './room-summary.js'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 50
const DEFAULT_DEPTH = 10
const MAX_DEPTH = 50
/** Rooms told of so far, and what may not change on the way: h<rooms>_<depth>_<suggested only>. */
const TOKEN = /^h(\d{1,6})_(\d{1,2})_([01])$/

export function spaceHierarchyRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/rooms/{roomId}/hierarchy',
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      query: z.object({
        suggested_only: queryBoolean.default(false),
        limit: queryInteger.refine((limit) => limit > 0, 'greater than zero').default(DEFAULT_LIMIT),
        max_depth: queryInteger.refine((depth) => depth >= 0, 'not negative').default(DEFAULT_DEPTH),
        from: z.string().optional(),
      }),
      async handler({ user, params: { roomId }, query }) {
        const maxDepth = Math.min(query.max_depth, MAX_DEPTH)
        const suggestedOnly = query.suggested_only
        const bound = `_${maxDepth}_${suggestedOnly ? 1 : 0}`
        const skip = readToken(query.from, bound)
        const limit = Math.min(query.limit, MAX_LIMIT)
        const order = { userId: user.userId, root: roomId, suggestedOnly, maxDepth, skip, limit }
        const found = await spaceHierarchy({ roomserver }, order)
        if (found === undefined) throw new MatrixError('M_FORBIDDEN', 'You may not look into this room')
        return {
          rooms: found.rooms.map(({ description, children }) => ({
            ...roomSummary(description),
            children_state: children.map(strippedChild),
          })),
          ...(found.hasMore && { next_batch: `h${skip + found.rooms.length}${bound}` }),
        }
      },
    }),
  ]
}

/** @throws MatrixError M_INVALID_PARAM for what is no token, or one of a request that asked for something else */
function readToken(token: string | undefined, bound: string): number {
  if (token === undefined || token === '') return 0
  const [, rooms] = TOKEN.exec(token) ?? []
  if (rooms === undefined || !token.endsWith(bound)) {
    throw new MatrixError('M_INVALID_PARAM', 'from: not a token of such a request')
  }
  return Number(rooms)
}

function strippedChild({ type, stateKey, sender, content, originServerTs }: RoomEvent): JsonObject {
  return { type, state_key: stateKey ?? '', sender, content, origin_server_ts: originServerTs }
}
