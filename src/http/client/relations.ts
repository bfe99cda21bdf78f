import { z } from 'zod'
import type { Requester } from '../../components/userapi/index.js'
import type { EventId, RoomId } from '../../protocol/ids.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { type Reply, type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema } from '../schema/ids.js'
import { queryBoolean, queryInteger } from '../schema/query.js'
import { readTimelineToken, timelineToken } from '../timeline-token.js'
import { visibleEvent } from '../visible-event.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

const DEFAULT_LIMIT = 5
const MAX_LIMIT = 1_000
/** How far `recurse` goes: what the room server follows. */
const RECURSION_DEPTH = 3

const params = z.object({ roomId: roomIdSchema, eventId: eventIdSchema })
const query = z.object({
  dir: z.enum(['b', 'f']).default('b'),
  from: z.string().optional(),
  to: z.string().optional(),
  limit: queryInteger.refine((limit) => limit >= 0, 'not negative').default(DEFAULT_LIMIT),
  recurse: queryBoolean.optional(),
})

interface Wanted extends z.output<typeof query> {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly relType?: string
  readonly eventType?: string
}

export function relationsRoutes(deps: Deps): Route[] {
  const base = '/_matrix/client/v1/rooms/{roomId}/relations/{eventId}'
  const common = { method: 'GET', auth: 'user', query } as const
  return [
    route({
      ...common,
      path: base,
      params,
      handler: ({ user, params, query }) => related(deps, user, { ...params, ...query }),
    }),
    route({
      ...common,
      path: `${base}/{relType}`,
      params: params.extend({ relType: z.string() }),
      handler: ({ user, params, query }) => related(deps, user, { ...params, ...query }),
    }),
    route({
      ...common,
      path: `${base}/{relType}/{eventType}`,
      params: params.extend({ relType: z.string(), eventType: z.string() }),
      handler: ({ user, params, query }) => related(deps, user, { ...params, ...query }),
    }),
  ]
}

/** Child events of one that the user may see, without those of ignored users. @throws MatrixError M_NOT_FOUND, M_INVALID_PARAM */
async function related({ roomserver, userapi }: Deps, user: Requester, wanted: Wanted): Promise<Reply> {
  const { roomId, eventId, relType, eventType, dir, from, to, limit, recurse } = wanted
  const placeOf = (token: string | undefined) =>
    token === undefined || token === '' ? undefined : readTimelineToken(roomserver, roomId, token)
  await visibleEvent(roomserver, user.userId, { roomId, eventId })
  const page = await roomserver.relations({
    roomId,
    eventId,
    relType,
    eventType,
    from: await placeOf(from),
    to: await placeOf(to),
    direction: dir,
    // A page of none would say that there is none.
    limit: Math.min(Math.max(limit, 1), MAX_LIMIT),
    recurse: recurse === true,
    viewer: user.userId,
    notSenders: [...(await userapi.ignoredUsers(user.userId))],
  })
  return textReply(
    objectText({
      chunk: arrayText(await roomserver.present(page.events, user)),
      next_batch: quoted(page.end && timelineToken(page.end)),
      prev_batch: quoted(from || undefined),
      recursion_depth: recurse === undefined ? undefined : String(recurse ? RECURSION_DEPTH : 1),
    }),
  )
}
