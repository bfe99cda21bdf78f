import { z } from 'zod'
import type { Account, Device, Requester, UserApi } from '../../components/userapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { userIdSchema } from '../schema/ids.js'

const userParams = z.object({ userId: userIdSchema })

/** CS "Server administration": who is where, and the locks and suspensions of accounts. */
export function adminRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/admin/whois/{userId}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: userParams,
      async handler({ user, params }) {
        const { userId } = params
        if (user.userId !== userId && user.accountType !== 'admin') {
          throw new MatrixError('M_FORBIDDEN', 'Only administrators may look at others')
        }
        if (!userapi.isLocal(userId)) throw new MatrixError('M_INVALID_PARAM', 'Not a user of this server')
        return { user_id: userId, devices: whoisDevices(await userapi.devices(userId)) }
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v1/admin/suspend/{userId}',
      auth: 'admin',
      params: userParams,
      handler: async ({ user, params }) => ({
        suspended: (await moderated(userapi, user, params.userId, 'see')).suspended,
      }),
    }),
    route({
      method: 'PUT',
      path: '/_matrix/client/v1/admin/suspend/{userId}',
      auth: 'admin',
      params: userParams,
      body: z.looseObject({ suspended: z.boolean() }),
      async handler({ user, params, body }) {
        await moderated(userapi, user, params.userId, 'change')
        await userapi.setSuspended(params.userId, body.suspended)
        return { suspended: body.suspended }
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v1/admin/lock/{userId}',
      auth: 'admin',
      params: userParams,
      handler: async ({ user, params }) => ({
        locked: (await moderated(userapi, user, params.userId, 'see')).locked,
      }),
    }),
    route({
      method: 'PUT',
      path: '/_matrix/client/v1/admin/lock/{userId}',
      auth: 'admin',
      params: userParams,
      body: z.looseObject({ locked: z.boolean() }),
      async handler({ user, params, body }) {
        await moderated(userapi, user, params.userId, 'change')
        await userapi.setLocked(params.userId, body.locked)
        return { locked: body.locked }
      },
    }),
  ]
}

/**
 * An account that administrators may lock and suspend: no administrator's, their own neither.
 * @throws MatrixError M_INVALID_PARAM, M_NOT_FOUND, M_FORBIDDEN
 */
async function moderated(
  userapi: Pick<UserApi, 'account' | 'isLocal'>,
  user: Requester,
  userId: UserId,
  action: 'see' | 'change',
): Promise<Account> {
  if (!userapi.isLocal(userId)) throw new MatrixError('M_INVALID_PARAM', 'Not a user of this server')
  if (action === 'change' && userId === user.userId) {
    throw new MatrixError('M_FORBIDDEN', 'Administrators cannot do this to themselves')
  }
  const account = await userapi.account(userId)
  if (account === undefined || account.deactivated) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
  if (account.type === 'admin') throw new MatrixError('M_FORBIDDEN', 'The account is that of an administrator')
  return account
}

/** Each device is one session here, with the connection that was seen last. */
function whoisDevices(devices: readonly Device[]): object {
  return Object.fromEntries(
    devices.map((device) => {
      const connection = {
        ...(device.lastSeenIp === undefined ? {} : { ip: device.lastSeenIp }),
        ...(device.lastSeenTs === undefined ? {} : { last_seen: device.lastSeenTs }),
        ...(device.lastSeenUserAgent === undefined ? {} : { user_agent: device.lastSeenUserAgent }),
      }
      return [device.deviceId, { sessions: [{ connections: [connection] }] }]
    }),
  )
}
