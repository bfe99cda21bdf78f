import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema, roomParams, userIdSchema } from '../schema/ids.js'
import { visibleEvent } from '../visible-event.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

/** Characters of a reason: it is for people to read. */
const MAX_REASON = 4_000
const LEAST_SCORE = -100

const reasonSchema = z.string().max(MAX_REASON)
const required = z.object({ reason: reasonSchema })

/** Reports to the people who run this server, who list them under `/_synapse/admin/v1/event_reports`. */
export function reportContentRoutes(deps: Deps): Route[] {
  return [reportEvent(deps), reportRoom(deps), reportUser(deps)]
}

/** What is not there, and what the user cannot see, is answered the same way. */
function reportEvent({ roomserver }: Deps): Route {
  return route({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/report/{eventId}',
    versions: ['r0'],
    auth: 'user',
    rateLimit: 'client',
    params: z.object({ roomId: roomIdSchema, eventId: eventIdSchema }),
    body: z.object({ reason: reasonSchema.nullish(), score: z.number().int().min(LEAST_SCORE).max(0).nullish() }),
    async handler({ user, params: { roomId, eventId }, body }) {
      const membership = await roomserver.membership(roomId, user.userId)
      if (membership?.membership !== 'join') throw new MatrixError('M_NOT_FOUND', 'There is no such event')
      const event = await visibleEvent(roomserver, user.userId, { roomId, eventId })
      await roomserver.addReport({
        reporter: user.userId,
        roomId,
        eventId,
        reportedUser: event.sender,
        reason: body.reason ?? '',
        score: body.score ?? 0,
      })
      return {}
    },
  })
}

/** Whether a room that the user is not in exists is not told: the answer is the same. */
function reportRoom({ roomserver }: Deps): Route {
  return route({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/report',
    auth: 'user',
    rateLimit: 'client',
    params: roomParams,
    body: required,
    async handler({ user, params: { roomId }, body: { reason } }) {
      const room = await roomserver.room(roomId)
      if (room === undefined) return {}
      const about = { roomId, eventId: undefined, reportedUser: undefined }
      await roomserver.addReport({ reporter: user.userId, ...about, reason, score: 0 })
      return {}
    },
  })
}

/** As for rooms. */
function reportUser({ roomserver, userapi }: Deps): Route {
  return route({
    method: 'POST',
    path: '/_matrix/client/v3/users/{userId}/report',
    auth: 'user',
    rateLimit: 'client',
    params: z.object({ userId: userIdSchema }),
    body: required,
    async handler({ user, params: { userId }, body: { reason } }) {
      const isKnown = userapi.isLocal(userId)
        ? (await userapi.account(userId)) !== undefined
        : (await roomserver.sharesRoomWith(user.userId, [userId])).size > 0
      if (!isKnown) return {}
      const about = { roomId: undefined, eventId: undefined, reportedUser: userId }
      await roomserver.addReport({ reporter: user.userId, ...about, reason, score: 0 })
      return {}
    },
  })
}
