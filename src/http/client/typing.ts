import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomIdSchema, userIdSchema } from '../schema/ids.js'
import { requireOwn } from './own-user.js'

const DEFAULT_TIMEOUT_MS = 30_000

export function typingRoutes({ roomserver, ephemeral }: Pick<RouteDeps, 'roomserver' | 'ephemeral'>): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/_matrix/client/v3/rooms/{roomId}/typing/{userId}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema, userId: userIdSchema }),
      body: z.looseObject({ typing: z.boolean(), timeout: z.number().int().nonnegative().nullish() }),
      async handler({ user, params, body }) {
        requireOwn(user, params.userId)
        const membership = await roomserver.membership(params.roomId, user.userId)
        if (membership?.membership !== 'join') throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
        const timeout = body.timeout ?? DEFAULT_TIMEOUT_MS
        await ephemeral.setTyping(params.roomId, user.userId, body.typing, timeout)
        await ephemeral.touch(user.userId)
        return {}
      },
    }),
  ]
}
