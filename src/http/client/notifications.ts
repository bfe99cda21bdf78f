import { z } from 'zod'
import { stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { type Route, route } from '../route.js'
import { queryInteger } from '../schema/query.js'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100

/**
 * notifications.yaml.
 *
 * SPEC-DEPARTURE: what has been read is not kept, so that it is not listed either: `read` is false in every entry.
 */
export function notificationsRoutes({ pushserver, roomserver }: Pick<RouteDeps, 'pushserver' | 'roomserver'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/notifications',
      versions: ['r0'],
      auth: 'user',
      query: z.object({ from: z.string().optional(), limit: queryInteger.optional(), only: z.string().optional() }),
      async handler({ user, query }) {
        const { notifications, next } = await pushserver.notifications({
          userId: user.userId,
          before: query.from === undefined ? undefined : positionOf(query.from),
          onlyHighlights: query.only === 'highlight',
          limit: limitOf(query.limit),
        })
        const events = await roomserver.present(
          notifications.map(({ event }) => event),
          { userId: user.userId, deviceId: user.deviceId },
          { withoutRoomId: true },
        )
        const entries = notifications.map(({ roomId, ts, actions }, index) =>
          objectText({
            actions: stringifyJson(actions),
            event: events[index],
            // There are no device rules any more that could have one; clients of old expect the member.
            profile_tag: '""',
            read: 'false',
            room_id: quoted(roomId),
            ts: String(ts),
          }),
        )
        return textReply(
          objectText({ next_token: next === undefined ? undefined : `"${next}"`, notifications: arrayText(entries) }),
        )
      },
    }),
  ]
}

function positionOf(token: string): number {
  if (/^\d{1,15}$/.test(token)) return Number(token)
  throw new MatrixError('M_INVALID_PARAM', 'from: not a token of this endpoint')
}

function limitOf(asked: number | undefined): number {
  if (asked === undefined) return DEFAULT_LIMIT
  if (asked < 1) throw new MatrixError('M_INVALID_PARAM', 'limit: a positive number is expected')
  return Math.min(asked, MAX_LIMIT)
}
