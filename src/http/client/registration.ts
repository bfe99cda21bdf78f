import { z } from 'zod'
import type { Login, NewLogin, UserApi } from '../../components/userapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { getString, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { availableUserId, checkNewPassword, register } from '../../workflows/register.js'
import type { RouteDeps } from '../deps.js'
import { type Route, type RouteRequest, route } from '../route.js'
import { deviceIdSchema } from '../schema/ids.js'
import { withAuth } from '../schema/json.js'
import { deviceNameSchema, deviceOf, loginAnswer } from './login.js'
import { type RegistrationOrder, RegistrationSessions } from './registration-sessions.js'

type Deps = Pick<RouteDeps, 'config' | 'userapi' | 'userInteractive' | 'time'>
type RegisterBody = z.output<typeof registerBody>
type RegisterRequest = RouteRequest<object, unknown, RegisterBody, undefined>

const registerBody = z.looseObject({
  ...withAuth,
  username: z.string().optional(),
  password: z.string().optional(),
  device_id: deviceIdSchema.optional(),
  initial_device_display_name: deviceNameSchema.optional(),
  inhibit_login: z.boolean().optional(),
  refresh_token: z.boolean().optional(),
})

export function registrationRoutes(deps: Deps): Route[] {
  const { config, userapi } = deps
  const sessions = new RegistrationSessions(deps.time)
  const stages = [
    ...(config.client_api.enable_registration_captcha ? ['m.login.recaptcha'] : []),
    ...(config.client_api.registration_requires_token ? ['m.login.registration_token'] : []),
  ]
  const flows = [stages.length === 0 ? ['m.login.dummy'] : stages]
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/register',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'register',
      query: z.looseObject({ kind: z.enum(['user', 'guest']).default('user') }),
      body: registerBody,
      handler: (request) =>
        request.query.kind === 'guest' ? registerGuest(deps, request) : registerUser(deps, sessions, flows, request),
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/register/available',
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'client',
      query: z.looseObject({ username: z.string() }),
      async handler({ query }) {
        requireOpen(config)
        await availableUserId(userapi, query.username)
        return { available: true }
      },
    }),
  ]
}

/** @throws MatrixError M_FORBIDDEN when nobody can register */
export function requireOpen(config: Deps['config']): void {
  if (!config.client_api.registration_disabled) return
  throw new MatrixError('M_FORBIDDEN', 'Registration is disabled on this server')
}

async function registerGuest({ config, userapi }: Deps, request: RegisterRequest): Promise<object> {
  if (config.client_api.guests_disabled) throw new MatrixError('M_FORBIDDEN', 'This server takes no guests')
  const device = deviceOf({ ...request.body, device_id: undefined })
  const guest = await register(userapi, { type: 'guest', login: { ...callerOf(request), ...device } })
  return registerAnswer(userapi, guest)
}

async function registerUser(
  deps: Deps,
  sessions: RegistrationSessions,
  flows: readonly (readonly string[])[],
  request: RegisterRequest,
): Promise<object> {
  const { config, userapi, userInteractive } = deps
  const { body } = request
  requireOpen(config)
  const repeated = body.auth === undefined ? undefined : sessions.finished(getString(body.auth, 'session') ?? '')
  if (repeated !== undefined) {
    const { userId, deviceId } = await repeated.made
    if (deviceId === undefined) return registerAnswer(userapi, { userId, login: undefined })
    const login = await userapi.login({ ...loginOf(repeated.order, request), userId, deviceId })
    return registerAnswer(userapi, { userId, login })
  }
  // What can be known to be wrong is said before anybody goes through the stages.
  if (body.username !== undefined) await availableUserId(userapi, body.username)
  if (body.password !== undefined) checkNewPassword(body.password)
  const given = await orderOf(userapi, body)
  const attempt = { flows, body, request }
  const session = userInteractive.open(attempt)
  const order = sessions.remember(session, given)
  const { registrationToken } = await userInteractive.authorise(attempt, session)
  const { passwordHash, username, inhibitLogin } = order
  if (passwordHash === undefined) throw new MatrixError('M_MISSING_PARAM', 'A password is required')
  const made = register(userapi, {
    type: 'user',
    passwordHash,
    ...(registrationToken === undefined ? {} : { registrationToken }),
    ...(username === undefined ? {} : { username }),
    ...(inhibitLogin === true ? {} : { login: loginOf(order, request) }),
  })
  sessions.finish(
    session,
    made.then(({ userId, login }) => ({ userId, deviceId: login?.deviceId })),
  )
  return registerAnswer(userapi, await made)
}

async function orderOf(userapi: Pick<UserApi, 'hashPassword'>, body: RegisterBody): Promise<RegistrationOrder> {
  return {
    username: body.username,
    passwordHash: body.password === undefined ? undefined : await userapi.hashPassword(body.password),
    deviceId: body.device_id,
    initialDeviceDisplayName: body.initial_device_display_name,
    inhibitLogin: body.inhibit_login,
    refreshable: body.refresh_token,
  }
}

function loginOf(order: RegistrationOrder, request: RegisterRequest): Omit<NewLogin, 'userId'> {
  const { deviceId, initialDeviceDisplayName, refreshable } = order
  return {
    ...callerOf(request),
    ...deviceOf({
      device_id: deviceId,
      initial_device_display_name: initialDeviceDisplayName,
      refresh_token: refreshable,
    }),
  }
}

function callerOf({ clientAddress, userAgent }: RegisterRequest): Pick<NewLogin, 'clientAddress' | 'userAgent'> {
  return { clientAddress, ...(userAgent === undefined ? {} : { userAgent }) }
}

/** Also that of the registration by shared secret. */
export function registerAnswer(
  userapi: Pick<UserApi, 'serverName'>,
  { userId, login }: { readonly userId: UserId; readonly login: Login | undefined },
): JsonObject {
  return login === undefined ? { user_id: userId, home_server: userapi.serverName } : loginAnswer(userapi, login)
}
