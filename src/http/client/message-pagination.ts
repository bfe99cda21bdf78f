import { z } from 'zod'
import type { RoomEvent, TimelinePage, TopologicalToken } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import type { RoomId } from '../../protocol/ids.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { readRoomFilter } from '../room-filter.js'
import { requirePeek } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'
import { readTimelineToken, timelineToken } from '../timeline-token.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'streamClock'>

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 1_000

const query = z.object({
  dir: z.enum(['b', 'f']),
  from: z.string().optional(),
  to: z.string().optional(),
  limit: queryInteger.refine((limit) => limit >= 0, 'not negative').default(DEFAULT_LIMIT),
  filter: z.string().optional(),
})

export function messagePaginationRoutes(deps: Deps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/messages',
      versions: ['r0'],
      auth: 'guest',
      params: roomParams,
      query,
      async handler({ user, params: { roomId }, query: asked }) {
        const filter = readRoomFilter(asked.filter)
        await requirePeek(deps.roomserver, user.userId, roomId)
        const from = await placeOf(deps, roomId, asked.from)
        const to = await placeOf(deps, roomId, asked.to)
        const limit = Math.min(asked.limit, filter.limit ?? MAX_LIMIT, MAX_LIMIT)
        const direction = asked.dir
        const page = filter.allowsRoom(roomId)
          ? await deps.roomserver.page({
              roomId,
              from: from ?? (direction === 'b' ? 'end' : 'start'),
              ...(to !== undefined && { to }),
              direction,
              limit,
              filter: filter.events,
              viewer: user.userId,
            })
          : { events: [], limited: false, end: undefined }
        const chunk = await withoutIgnored(deps, user, page.events)
        const state = filter.lazyLoadMembers ? await membersOf(deps, roomId, chunk) : undefined
        return textReply(
          objectText({
            start: quoted(asked.from || (await startOf(deps, roomId, page, direction))),
            end: quoted(endOf(page, direction)),
            chunk: arrayText(await deps.roomserver.present(chunk, user)),
            state: state && arrayText(await deps.roomserver.present(state, user)),
          }),
        )
      },
    }),
  ]
}

async function placeOf(deps: Deps, roomId: RoomId, token: string | undefined): Promise<TopologicalToken | undefined> {
  return token === undefined || token === '' ? undefined : readTimelineToken(deps.roomserver, roomId, token)
}

/** Where a page began that was asked for without `from`. */
async function startOf(
  { roomserver, streamClock }: Deps,
  roomId: RoomId,
  { events }: TimelinePage,
  direction: 'b' | 'f',
): Promise<string> {
  if (direction === 'f') return timelineToken({ depth: 0, position: 0 })
  const [newest] = events
  if (newest?.position !== undefined) return timelineToken({ depth: newest.depth, position: newest.position })
  return timelineToken(await roomserver.topologicalToken(roomId, streamClock.visible))
}

/**
 * Where the next page begins. That there is none is said by a page without events: so clients of other servers expect it,
 * which know it no earlier.
 */
function endOf({ events, end }: TimelinePage, direction: 'b' | 'f'): string | undefined {
  if (end !== undefined) return timelineToken(end)
  const last = events.at(-1)
  if (last?.position === undefined) return undefined
  return timelineToken({ depth: last.depth, position: direction === 'b' ? last.position - 1 : last.position })
}

/** CS "Ignoring users": what they say, not what they have done to the state. */
export async function withoutIgnored(
  { userapi }: Pick<RouteDeps, 'userapi'>,
  { userId }: Requester,
  events: readonly RoomEvent[],
): Promise<RoomEvent[]> {
  const ignored = await userapi.ignoredUsers(userId)
  return events.filter(({ sender, stateKey }) => stateKey !== undefined || !ignored.has(sender))
}

/**
 * Memberships of those who speak on a page, as they were at its newest event (CS "Lazy-loading room members"). Where
 * somebody was not yet a member then, or the event came before this server was in the room, as they are now: a room's
 * creator speaks before they join.
 */
async function membersOf({ roomserver }: Deps, roomId: RoomId, chunk: readonly RoomEvent[]): Promise<RoomEvent[]> {
  const senders = new Set<string>(chunk.map(({ sender }) => sender))
  if (senders.size === 0) return []
  const tuples = () => Array.from(senders, (sender) => ['m.room.member', sender] as const)
  const position = Math.max(...chunk.map((event) => event.position ?? 0))
  const then = position > 0 ? await roomserver.stateAtPosition([{ roomId, position }], tuples()) : undefined
  const members = then?.get(roomId) ?? []
  for (const { stateKey } of members) if (stateKey !== undefined) senders.delete(stateKey)
  if (senders.size === 0) return members
  const now = await roomserver.currentState([roomId], tuples())
  return [...members, ...(now.get(roomId) ?? [])]
}
