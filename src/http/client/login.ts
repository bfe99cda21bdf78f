import { z } from 'zod'
import type { Login, NewLogin, UserApi } from '../../components/userapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { getString, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { identifiedUser } from '../auth/identifier.js'
import type { RouteDeps } from '../deps.js'
import { type Route, type RouteRequest, route } from '../route.js'
import { deviceIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'

/** What devices are called; Synapse's limit. */
export const deviceNameSchema = z.string().max(100, 'a device name may have 100 characters')

/** What a login says of its device, in a body or in the query of the fallback page. */
export const deviceShape = {
  device_id: deviceIdSchema.optional(),
  initial_device_display_name: deviceNameSchema.optional(),
  refresh_token: z.boolean().optional(),
}

const loginBody = z.looseObject({
  ...deviceShape,
  type: z.string(),
  identifier: jsonObjectSchema.optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
})

type LoginDeps = Pick<RouteDeps, 'userapi' | 'userInteractive'>
type Caller = Pick<RouteRequest<unknown, unknown, unknown, unknown>, 'clientAddress' | 'userAgent'>

export function loginRoutes(deps: LoginDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/login',
      versions: ['r0'],
      auth: 'none',
      handler: async () => ({
        flows: [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }],
      }),
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/login',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'login',
      body: loginBody,
      async handler(request) {
        const { body } = request
        const { userapi } = deps
        const userId = await provenUser(deps, body.type, body as JsonObject, request.clientAddress)
        return loginAnswer(userapi, await logIn(userapi, userId, body, request))
      },
    }),
  ]
}

/**
 * Who a login is for, after it has been proved.
 * @throws MatrixError M_FORBIDDEN, M_USER_DEACTIVATED, M_BAD_JSON, M_LIMIT_EXCEEDED, M_UNKNOWN for another type
 */
export async function provenUser(
  { userapi, userInteractive }: LoginDeps,
  type: string,
  body: JsonObject,
  clientAddress: string,
): Promise<UserId> {
  if (type === 'm.login.token') return userOfToken(userapi, body)
  if (type !== 'm.login.password') throw new MatrixError('M_UNKNOWN', 'This login type is not supported')
  const password = getString(body, 'password')
  if (password === undefined) throw new MatrixError('M_BAD_JSON', 'A password is required')
  const wrong = new MatrixError('M_FORBIDDEN', 'Invalid username or password')
  const userId = await identifiedUser(userapi, body)
  if (userId === undefined) throw wrong
  const isRight = await userInteractive.checkPassword(userId, password, clientAddress)
  if ((await userapi.account(userId))?.deactivated === true) {
    throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
  }
  if (!isRight) throw wrong
  return userId
}

/** The token is used up even when the login fails afterwards. */
async function userOfToken(userapi: Pick<UserApi, 'useLoginToken'>, body: JsonObject): Promise<UserId> {
  const token = getString(body, 'token')
  if (token === undefined) throw new MatrixError('M_BAD_JSON', 'A token is required')
  const userId = await userapi.useLoginToken(token)
  if (userId === undefined) throw new MatrixError('M_FORBIDDEN', 'Invalid login token')
  return userId
}

/** @throws MatrixError M_USER_LOCKED, M_USER_DEACTIVATED */
export async function logIn(
  userapi: UserApi,
  userId: UserId,
  device: Parameters<typeof deviceOf>[0],
  { clientAddress, userAgent }: Caller,
): Promise<Login> {
  if ((await userapi.account(userId))?.locked === true) {
    throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { extra: { soft_logout: true } })
  }
  return userapi.login({
    userId,
    ...deviceOf(device),
    clientAddress,
    ...(userAgent === undefined ? {} : { userAgent }),
  })
}

/** What a request says of the device to log in on. */
export function deviceOf(body: {
  readonly device_id?: string | undefined
  readonly initial_device_display_name?: string | undefined
  readonly refresh_token?: boolean | undefined
}): Pick<NewLogin, 'deviceId' | 'initialDeviceDisplayName' | 'refreshable'> {
  return {
    ...(body.device_id === undefined ? {} : { deviceId: body.device_id }),
    ...(body.initial_device_display_name === undefined
      ? {}
      : { initialDeviceDisplayName: body.initial_device_display_name }),
    ...(body.refresh_token === true ? { refreshable: true } : {}),
  }
}

/** The answer of a login and of a registration. `home_server` is for old clients. */
export function loginAnswer(userapi: Pick<UserApi, 'serverName'>, login: Login): JsonObject {
  return {
    user_id: login.userId,
    access_token: login.accessToken,
    device_id: login.deviceId,
    home_server: userapi.serverName,
    ...(login.refreshToken === undefined ? {} : { refresh_token: login.refreshToken }),
    ...(login.expiresInMs === undefined ? {} : { expires_in_ms: login.expiresInMs }),
  }
}
