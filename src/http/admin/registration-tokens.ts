import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { RegistrationToken } from '../../components/userapi/index.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

const LONGEST = 64
const DEFAULT_LENGTH = 16
const BASE = '/_dendrite/admin/registrationTokens'

/** Spec, `m.login.registration_token`: what a token is made of. */
const tokenText = z
  .string()
  .min(1)
  .max(LONGEST)
  .regex(/^[A-Za-z0-9._~-]+$/, 'a token is made of A-Z a-z 0-9 . _ ~ -')
const usesSchema = z.int().min(0).max(2_147_483_647).nullish()
const expirySchema = z.int().min(0).nullish()
const limitsShape = { uses_allowed: usesSchema, expiry_time: expirySchema }
const tokenParams = z.object({ token: z.string() })

/** Dendrite's operations on the tokens without which nobody registers while `registration_requires_token` is set. */
export function registrationTokenAdminRoutes({
  config,
  userapi,
  time,
}: Pick<RouteDeps, 'config' | 'userapi' | 'time'>): Route[] {
  const requireEnabled = (): void => {
    if (config.client_api.registration_requires_token) return
    throw new MatrixError('M_FORBIDDEN', 'Registration takes no tokens on this server')
  }
  const inTheFuture = (expiresTs: number | null | undefined): void => {
    if (typeof expiresTs !== 'number' || expiresTs > time.now()) return
    throw new MatrixError('M_BAD_JSON', 'expiry_time lies in the past')
  }
  const isValid = ({ usesAllowed, completed, expiresTs }: RegistrationToken): boolean =>
    (usesAllowed === undefined || completed < usesAllowed) && (expiresTs === undefined || expiresTs > time.now())

  return [
    route({
      method: 'POST',
      path: `${BASE}/new`,
      auth: 'admin',
      body: z.looseObject({
        ...limitsShape,
        token: tokenText.nullish(),
        length: z.int().min(1).max(LONGEST).nullish(),
      }),
      async handler({ body }) {
        requireEnabled()
        inTheFuture(body.expiry_time)
        const made = await userapi.createRegistrationToken({
          token: body.token ?? newRegistrationToken(body.length ?? DEFAULT_LENGTH),
          usesAllowed: body.uses_allowed ?? undefined,
          expiresTs: body.expiry_time ?? undefined,
        })
        if (made === undefined) throw new MatrixError('M_UNKNOWN', 'There is such a token', { status: 409 })
        return tokenAnswer(made)
      },
    }),
    route({
      method: 'GET',
      path: BASE,
      auth: 'admin',
      query: z.looseObject({ valid: z.enum(['true', 'false']).optional() }),
      async handler({ query }) {
        requireEnabled()
        const tokens = await userapi.registrationTokens()
        const wanted =
          query.valid === undefined ? tokens : tokens.filter((t) => isValid(t) === (query.valid === 'true'))
        return { registration_tokens: wanted.map(tokenAnswer) }
      },
    }),
    route({
      method: 'GET',
      path: `${BASE}/{token}`,
      auth: 'admin',
      params: tokenParams,
      async handler({ params }) {
        requireEnabled()
        return tokenAnswer(found(await userapi.registrationToken(params.token)))
      },
    }),
    route({
      method: 'PUT',
      path: `${BASE}/{token}`,
      auth: 'admin',
      params: tokenParams,
      body: z.looseObject(limitsShape),
      async handler({ params, body }) {
        requireEnabled()
        inTheFuture(body.expiry_time)
        const change = { usesAllowed: body.uses_allowed, expiresTs: body.expiry_time }
        return tokenAnswer(found(await userapi.changeRegistrationToken(params.token, change)))
      },
    }),
    route({
      method: 'DELETE',
      path: `${BASE}/{token}`,
      auth: 'admin',
      params: tokenParams,
      async handler({ params }) {
        requireEnabled()
        if (!(await userapi.deleteRegistrationToken(params.token))) throw noSuchToken()
        return {}
      },
    }),
  ]
}

function newRegistrationToken(length: number): string {
  return randomBytes(length).toString('base64url').slice(0, length)
}

function found(token: RegistrationToken | undefined): RegistrationToken {
  if (token === undefined) throw noSuchToken()
  return token
}

function noSuchToken(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such token')
}

/** `pending` stays 0: a token counts as used in the same moment as its account is made. */
function tokenAnswer({ token, usesAllowed, completed, expiresTs }: RegistrationToken): object {
  return { token, uses_allowed: usesAllowed ?? null, pending: 0, completed, expiry_time: expiresTs ?? null }
}
