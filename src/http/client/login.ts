import { z } from 'zod'
import type { Login, NewLogin, UserApi } from '../../components/userapi/index.js'
import { getString, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { identifiedUser } from '../auth/identifier.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { deviceIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'

/** What devices are called; Synapse's limit. */
export const deviceNameSchema = z.string().max(100, 'a device name may have 100 characters')

const loginBody = z.looseObject({
  type: z.string(),
  identifier: jsonObjectSchema.optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  device_id: deviceIdSchema.optional(),
  initial_device_display_name: deviceNameSchema.optional(),
})

export function loginRoutes({ userapi, userInteractive }: Pick<RouteDeps, 'userapi' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/login',
      versions: ['r0'],
      auth: 'none',
      handler: async () => ({ flows: [{ type: 'm.login.password' }] }),
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/login',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'login',
      body: loginBody,
      async handler({ body, clientAddress, userAgent }) {
        if (body.type !== 'm.login.password') throw new MatrixError('M_UNKNOWN', 'This login type is not supported')
        const password = getString(body as JsonObject, 'password')
        if (password === undefined) throw new MatrixError('M_BAD_JSON', 'A password is required')
        const wrong = new MatrixError('M_FORBIDDEN', 'Invalid username or password')
        const userId = await identifiedUser(userapi, body as JsonObject)
        if (userId === undefined) throw wrong
        const isRight = await userInteractive.checkPassword(userId, password, clientAddress)
        if ((await userapi.account(userId))?.deactivated === true) {
          throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
        }
        if (!isRight) throw wrong
        const login = await userapi.login({
          userId,
          ...deviceOf(body),
          clientAddress,
          ...(userAgent === undefined ? {} : { userAgent }),
        })
        return loginAnswer(userapi, login)
      },
    }),
  ]
}

/** What a request says of the device to log in on. */
export function deviceOf(body: {
  readonly device_id?: string | undefined
  readonly initial_device_display_name?: string | undefined
}): Pick<NewLogin, 'deviceId' | 'initialDeviceDisplayName'> {
  return {
    ...(body.device_id === undefined ? {} : { deviceId: body.device_id }),
    ...(body.initial_device_display_name === undefined
      ? {}
      : { initialDeviceDisplayName: body.initial_device_display_name }),
  }
}

/** The answer of a login and of a registration. `home_server` is for old clients. */
export function loginAnswer(userapi: Pick<UserApi, 'serverName'>, login: Login): object {
  return {
    user_id: login.userId,
    access_token: login.accessToken,
    device_id: login.deviceId,
    home_server: userapi.serverName,
  }
}
