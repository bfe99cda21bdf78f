import { z } from 'zod'
import type { Presence } from '../../components/ephemeral/index.js'
import { fitsBytes } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { userIdSchema } from '../schema/ids.js'
import { requireOwn } from './own-user.js'

const STATUS_BYTES = 1_000

const path = '/_matrix/client/v3/presence/{userId}/status'
const params = z.object({ userId: userIdSchema })

export function presenceRoutes({
  ephemeral,
  roomserver,
  userapi,
  time,
}: Pick<RouteDeps, 'ephemeral' | 'roomserver' | 'userapi' | 'time'>): Route[] {
  return [
    route({
      method: 'PUT',
      path,
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params,
      body: z.looseObject({
        presence: z.enum(['online', 'unavailable', 'offline']),
        status_msg: z
          .string()
          .refine((text) => fitsBytes(text, STATUS_BYTES), `longer than ${STATUS_BYTES} bytes`)
          .nullish(),
      }),
      async handler({ user, params, body }) {
        requireOwn(user, params.userId)
        await ephemeral.setPresence(user.userId, body.presence, body.status_msg)
        return {}
      },
    }),
    route({
      method: 'GET',
      path,
      versions: ['r0'],
      auth: 'user',
      params,
      async handler({ user, params: { userId } }) {
        const isOwn = user.userId === userId
        if (!isOwn && !(await roomserver.sharesRoomWith(user.userId, [userId])).has(userId)) {
          throw new MatrixError('M_FORBIDDEN', 'You share no room with this user')
        }
        const presence = (await ephemeral.presence([userId])).get(userId)
        if (presence !== undefined) return answer(presence, time.now())
        if (!isOwn && (!userapi.isLocal(userId) || !(await userapi.existing([userId])).has(userId))) {
          throw new MatrixError('M_NOT_FOUND', 'Nothing is known of the presence of this user')
        }
        return { presence: 'offline' }
      },
    }),
  ]
}

function answer(presence: Presence, now: number): object {
  return {
    presence: presence.state,
    last_active_ago: Math.max(0, now - presence.lastActiveTs),
    status_msg: presence.statusMessage,
    currently_active: presence.currentlyActive,
  }
}
