import { z } from 'zod'
import type { Requester } from '../../components/userapi/index.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { Reply, type Route, type RouteRequest, route } from '../route.js'
import { keySchema, roomIdSchema, userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { requireOwn } from './own-user.js'

const PUSH_RULES = 'm.push_rules'
/** Written by the server alone, through endpoints of their own. */
const SERVER_MANAGED: ReadonlySet<string> = new Set(['m.fully_read', PUSH_RULES])

const globalParams = z.object({ userId: userIdSchema, type: keySchema })
const roomParams = z.object({ userId: userIdSchema, roomId: roomIdSchema, type: keySchema })

type Params = z.output<typeof globalParams> & { readonly roomId?: z.output<typeof roomIdSchema> }
type DataRequest = RouteRequest<Params, unknown, unknown, Requester>

export function accountDataRoutes({ userapi, pushserver }: Pick<RouteDeps, 'userapi' | 'pushserver'>): Route[] {
  const put = async ({ user, params, rawBody }: DataRequest): Promise<object> => {
    requireOwn(user, params.userId)
    if (SERVER_MANAGED.has(params.type)) {
      throw new MatrixError('M_BAD_JSON', `${params.type} cannot be set through this endpoint`, { status: 405 })
    }
    await userapi.setAccountData(user.userId, params.roomId, params.type, rawBody)
    return {}
  }
  const get = async ({ user, params }: DataRequest): Promise<object> => {
    requireOwn(user, params.userId)
    if (params.type === PUSH_RULES && params.roomId === undefined) return pushserver.pushRules(user.userId)
    const entry = await userapi.accountData(user.userId, params.roomId, params.type)
    if (entry === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no account data of this type')
    return new Reply({ body: entry.content })
  }
  const globalPath = '/_matrix/client/v3/user/{userId}/account_data/{type}'
  const roomPath = '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}'
  const shared = { versions: ['r0'], auth: 'user' } as const
  const changes = { method: 'PUT', rateLimit: 'client', body: jsonObjectSchema } as const
  return [
    route({ ...shared, ...changes, path: globalPath, params: globalParams, handler: put }),
    route({ ...shared, ...changes, path: roomPath, params: roomParams, handler: put }),
    route({ ...shared, method: 'GET', path: globalPath, params: globalParams, handler: get }),
    route({ ...shared, method: 'GET', path: roomPath, params: roomParams, handler: get }),
  ]
}
