import { timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { manageAccount } from '../../workflows/manage-account.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

/**
 * What commands on the machine ask of the running server, so that one process writes. They show the secret that this
 * start of the server has put into the database: whoever can read that may do anything anyway.
 */
export function localCommandRoutes(deps: Pick<RouteDeps, 'userapi'>, secret: string): Route[] {
  const expected = Buffer.from(`Bearer ${secret}`)
  const authorise = (header: string | string[] | undefined): void => {
    const given = Buffer.from(typeof header === 'string' ? header : '')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new MatrixError('M_FORBIDDEN', 'This is for commands on the machine of the server')
    }
  }
  return [
    route({
      method: 'POST',
      path: '/_neurite/local/account',
      auth: 'none',
      rateLimit: 'client',
      body: z.object({
        username: z.string(),
        password: z.string().min(1),
        admin: z.boolean(),
        reset_password: z.boolean(),
      }),
      handler: async ({ body, headers }) => {
        authorise(headers.authorization)
        const { username, password, admin, reset_password } = body
        const order = { localpart: username, password, admin, resetPassword: reset_password }
        return { user_id: await manageAccount(deps.userapi, order) }
      },
    }),
  ]
}
