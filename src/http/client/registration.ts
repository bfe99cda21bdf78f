import { z } from 'zod'
import type { Login, UserApi } from '../../components/userapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { availableUserId, checkNewPassword, register } from '../../workflows/register.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { deviceIdSchema } from '../schema/ids.js'
import { withAuth } from '../schema/json.js'
import { deviceNameSchema, deviceOf, loginAnswer } from './login.js'

const FLOWS = [['m.login.dummy']]

const registerBody = z.looseObject({
  ...withAuth,
  username: z.string().optional(),
  password: z.string().optional(),
  device_id: deviceIdSchema.optional(),
  initial_device_display_name: deviceNameSchema.optional(),
  inhibit_login: z.boolean().optional(),
})

export function registrationRoutes(deps: Pick<RouteDeps, 'config' | 'userapi' | 'userInteractive'>): Route[] {
  const { config, userapi, userInteractive } = deps
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/register',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'register',
      query: z.looseObject({ kind: z.enum(['user', 'guest']).default('user') }),
      body: registerBody,
      async handler(request) {
        const { query, body } = request
        const device = {
          clientAddress: request.clientAddress,
          ...(request.userAgent === undefined ? {} : { userAgent: request.userAgent }),
        }
        if (query.kind === 'guest') {
          if (config.client_api.guests_disabled) throw new MatrixError('M_FORBIDDEN', 'This server takes no guests')
          const guest = await register(userapi, {
            type: 'guest',
            login: { ...device, ...deviceOf({ ...body, device_id: undefined }) },
          })
          return registerAnswer(userapi, guest)
        }
        if (config.client_api.registration_disabled) {
          throw new MatrixError('M_FORBIDDEN', 'Registration is disabled on this server')
        }
        // What can be known to be wrong is said before anybody goes through the stages.
        if (body.username !== undefined) await availableUserId(userapi, body.username)
        if (body.password !== undefined) checkNewPassword(body.password)
        await userInteractive.authorise({ flows: FLOWS, body, request })
        if (body.password === undefined) throw new MatrixError('M_MISSING_PARAM', 'A password is required')
        const registered = await register(userapi, {
          type: 'user',
          password: body.password,
          ...(body.username === undefined ? {} : { username: body.username }),
          ...(body.inhibit_login === true ? {} : { login: { ...device, ...deviceOf(body) } }),
        })
        return registerAnswer(userapi, registered)
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/register/available',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'client',
      query: z.looseObject({ username: z.string() }),
      async handler({ query }) {
        if (config.client_api.registration_disabled) {
          throw new MatrixError('M_FORBIDDEN', 'Registration is disabled on this server')
        }
        await availableUserId(userapi, query.username)
        return { available: true }
      },
    }),
  ]
}

/** Also that of the registration by shared secret. */
export function registerAnswer(
  userapi: Pick<UserApi, 'serverName'>,
  { userId, login }: { readonly userId: UserId; readonly login: Login | undefined },
): object {
  return login === undefined ? { user_id: userId, home_server: userapi.serverName } : loginAnswer(userapi, login)
}
