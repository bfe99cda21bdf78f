import type { Requester, UserApi } from '../../components/userapi/index.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteAuth } from '../route.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The token of a request: the header's before the query's (CS "Using access tokens"). Undefined or empty: none. */
export function tokenOf(headers: Headers, query: Readonly<Record<string, string | string[]>>): string | undefined {
  const header = headers.authorization
  if (typeof header === 'string' && /^bearer\s/i.test(header)) return header.slice(7).trim()
  const parameter = query.access_token
  return typeof parameter === 'string' ? parameter : undefined
}

/** Where a locked account may still go (CS "Account locking"). */
const OPEN_TO_LOCKED = /\/logout(?:\/all)?$/

/**
 * Who is calling, as the route wants it.
 * @throws MatrixError M_MISSING_TOKEN, M_UNKNOWN_TOKEN, M_USER_LOCKED, M_GUEST_ACCESS_FORBIDDEN, M_FORBIDDEN (not an admin)
 */
export async function authenticate(
  userapi: Pick<UserApi, 'requester'>,
  route: { readonly auth: RouteAuth; readonly path: string },
  token: string | undefined,
): Promise<Requester | undefined> {
  if (route.auth === 'none' || route.auth === 'server') return undefined
  if (token === undefined || token === '') {
    if (route.auth === 'optional') return undefined
    throw new MatrixError('M_MISSING_TOKEN', 'An access token is required')
  }
  const requester = await userapi.requester(token)
  if (requester === undefined) throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token is unknown or has ended')
  if (requester.locked && !OPEN_TO_LOCKED.test(route.path)) {
    throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { extra: { soft_logout: true } })
  }
  if (route.auth === 'user' && requester.accountType === 'guest') {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may not do this')
  }
  if (route.auth === 'admin' && requester.accountType !== 'admin') {
    throw new MatrixError('M_FORBIDDEN', 'Only administrators may do this')
  }
  return requester
}
