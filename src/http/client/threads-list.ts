import { z } from 'zod'
import type { RoomEvent, RoomMembership } from '../../components/roomserver/index.js'
import { clientEvent } from '../../protocol/event/client-format.js'
import { redactPdu } from '../../protocol/event/redact.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { isWorldReadable, requirePeek } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100
const TOKEN = /^n(-?\d{1,16})$/

export function threadsListRoutes(deps: Deps): Route[] {
  const { roomserver, userapi } = deps
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/rooms/{roomId}/threads',
      auth: 'user',
      params: roomParams,
      query: z.object({
        include: z.enum(['all', 'participated']).default('all'),
        limit: queryInteger.refine((limit) => limit > 0, 'greater than zero').default(DEFAULT_LIMIT),
        from: z.string().optional(),
      }),
      async handler({ user, params: { roomId }, query }) {
        await requirePeek(roomserver, user.userId, roomId)
        const membership = await roomserver.membership(roomId, user.userId)
        const seesNow = membership?.membership === 'join' || (await isWorldReadable(roomserver, roomId))
        const newest = seesNow ? Number.MAX_SAFE_INTEGER : lastSeen(membership)
        const ignored = await userapi.ignoredUsers(user.userId)
        const { roots, next } = await roomserver.threads({
          roomId,
          before: Math.min(readToken(query.from) ?? newest, newest),
          limit: Math.min(query.limit, MAX_LIMIT),
          participatedOnly: query.include === 'participated',
          viewer: user.userId,
          notSenders: [...ignored],
        })
        const texts = await roomserver.present(roots, user)
        const chunk = roots.map((root, index) => (ignored.has(root.sender) ? hidden(root) : (texts[index] ?? '')))
        return textReply(
          objectText({ chunk: arrayText(chunk), next_batch: quoted(next === undefined ? undefined : `n${next}`) }),
        )
      },
    }),
  ]
}

/** Somebody who has left learns nothing of what was said in a thread after that, not even that something was. */
function lastSeen(membership: RoomMembership | undefined): number {
  return membership?.position ?? 0
}

/** A root of somebody whom the user ignores is shown as if it had been redacted: the thread stays (threads_list.yaml). */
function hidden(root: RoomEvent): string {
  return clientEvent(redactPdu(root.pdu))
}

/** @throws MatrixError M_INVALID_PARAM */
function readToken(token: string | undefined): number | undefined {
  if (token === undefined || token === '') return undefined
  const position = Number(TOKEN.exec(token)?.[1])
  if (!Number.isSafeInteger(position)) throw new MatrixError('M_INVALID_PARAM', 'This is no token of a list of threads')
  return position
}
