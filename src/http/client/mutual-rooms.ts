import { z } from 'zod'
import type { Requester } from '../../components/userapi/index.js'
import { parseUserId, type RoomId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

type Deps = Pick<RouteDeps, 'roomserver'>

const PAGE = 100

/** Rooms that the user and another one are both in. matrix-js-sdk asks under the name of the proposal (MSC2666). */
export function mutualRoomsRoutes(deps: Deps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/mutual_rooms',
      auth: 'user',
      rateLimit: 'client',
      query: z.object({ user_id: z.string(), from: z.string().optional() }),
      async handler({ user, query }) {
        const { joined, count, next } = await mutualRooms(deps, user, query.user_id, query.from)
        return { joined, count, ...(next !== undefined && { next_batch: next }) }
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms',
      auth: 'user',
      rateLimit: 'client',
      query: z.object({ user_id: z.string(), batch_token: z.string().optional() }),
      async handler({ user, query }) {
        const { joined, count, next } = await mutualRooms(deps, user, query.user_id, query.batch_token)
        return { joined, count, ...(next !== undefined && { next_batch_token: next }) }
      },
    }),
  ]
}

interface MutualRooms {
  readonly joined: readonly RoomId[]
  readonly count: number
  readonly next: string | undefined
}

/** In the order of their ids, from the one that the token names. @throws MatrixError M_INVALID_PARAM */
async function mutualRooms(
  { roomserver }: Deps,
  user: Requester,
  other: string,
  from: string | undefined,
): Promise<MutualRooms> {
  if (other === user.userId) throw new MatrixError('M_INVALID_PARAM', 'user_id: your own')
  const userId = parseUserId(other)
  if (userId === undefined) throw new MatrixError('M_INVALID_PARAM', 'user_id: not a valid user ID')
  const own = await roomserver.memberships(user.userId)
  const theirs = await roomserver.memberships(userId)
  const rooms: RoomId[] = []
  for (const { roomId, membership } of own.values()) {
    if (membership === 'join' && theirs.get(roomId)?.membership === 'join') rooms.push(roomId)
  }
  rooms.sort((a, b) => (a < b ? -1 : 1))
  const after = from === undefined || from === '' ? '' : readToken(from)
  const left = rooms.filter((roomId) => roomId > after)
  const joined = left.slice(0, PAGE)
  const last = joined.at(-1)
  const next = left.length > PAGE && last !== undefined ? `m${Buffer.from(last).toString('base64url')}` : undefined
  return { joined, count: rooms.length, next }
}

/** The last room of the page before. @throws MatrixError M_INVALID_PARAM */
function readToken(token: string): string {
  const [, text] = /^m([A-Za-z0-9_-]{1,400})$/.exec(token) ?? []
  if (text === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is no token of a list of rooms')
  return Buffer.from(text, 'base64url').toString()
}
