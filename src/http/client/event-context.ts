import { z } from 'zod'
import type { RoomEvent, TimelinePage, TopologicalToken } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import type { EventId, RoomId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { matchesFilter, type RoomFilter, readRoomFilter } from '../room-filter.js'
import { requirePeek } from '../room-view.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'
import { timelineToken } from '../timeline-token.js'
import { withoutIgnored } from './message-pagination.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 1_000

export function eventContextRoutes(deps: Deps): Route[] {
  const { roomserver } = deps
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/context/{eventId}',
      versions: ['r0'],
      auth: 'guest',
      params: z.object({ roomId: roomIdSchema, eventId: eventIdSchema }),
      query: z.object({
        limit: queryInteger.refine((limit) => limit >= 0, 'not negative').default(DEFAULT_LIMIT),
        filter: z.string().optional(),
      }),
      async handler({ user, params: { roomId, eventId }, query }) {
        const filter = readRoomFilter(query.filter)
        await requirePeek(roomserver, user.userId, roomId)
        const event = await eventIn(deps, { user, roomId, eventId })
        const place = placeAfter(event)
        const limit = Math.min(query.limit, filter.limit ?? MAX_LIMIT, MAX_LIMIT)
        const before = await surroundings(deps, user, { filter, roomId, direction: 'b', place, limit: limit >> 1 })
        const after = await surroundings(deps, user, { filter, roomId, direction: 'f', place, limit: (limit + 1) >> 1 })
        const shown = [...before.events, event, ...after.events]
        const state = await stateFor(deps, filter, after.events.at(-1) ?? event, shown)
        const texts = async (events: readonly RoomEvent[]) => arrayText(await roomserver.present(events, user))
        const [text] = await roomserver.present([event], user)
        return textReply(
          objectText({
            start: quoted(before.end),
            end: quoted(after.end),
            events_before: await texts(before.events),
            event: text,
            events_after: await texts(after.events),
            state: await texts(state),
          }),
        )
      },
    }),
  ]
}

/** @throws MatrixError M_NOT_FOUND */
async function eventIn(
  { roomserver }: Deps,
  { user, roomId, eventId }: { readonly user: Requester; readonly roomId: RoomId; readonly eventId: EventId },
): Promise<RoomEvent> {
  const event = await roomserver.event(eventId)
  const isHere = event !== undefined && event.roomId === roomId
  const [seen] = isHere ? await roomserver.visibleTo(user.userId, [event]) : []
  if (seen === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such event, or you may not see it')
  return seen
}

/** The place just behind an event. One that never came into the timeline stands at the end of its depth. */
function placeAfter({ depth, position }: RoomEvent): TopologicalToken {
  return { depth, position: position ?? Number.MAX_SAFE_INTEGER - 1 }
}

interface Side {
  readonly filter: RoomFilter
  readonly roomId: RoomId
  readonly direction: 'b' | 'f'
  /** Just behind the event in the middle. */
  readonly place: TopologicalToken
  readonly limit: number
}

/** What is on one side of the event, nearest first, and the token from which `/messages` goes on. */
async function surroundings(
  deps: Deps,
  user: Requester,
  { filter, roomId, direction, place, limit }: Side,
): Promise<{ readonly events: readonly RoomEvent[]; readonly end: string }> {
  const from = direction === 'b' ? { ...place, position: place.position - 1 } : place
  const isEmpty = limit === 0 || !filter.allowsRoom(roomId)
  const page: TimelinePage = isEmpty
    ? { events: [], limited: false, end: undefined }
    : await deps.roomserver.page({ roomId, from, direction, limit, filter: filter.events, viewer: user.userId })
  const last = page.events.at(-1)
  const end = page.end ?? (last === undefined ? from : sideOf(last, direction))
  return { events: await withoutIgnored(deps, user, page.events), end: timelineToken(end) }
}

function sideOf(event: RoomEvent, direction: 'b' | 'f'): TopologicalToken {
  const place = placeAfter(event)
  return direction === 'b' ? { ...place, position: place.position - 1 } : place
}

/** The state at the last event; with lazy loading without the memberships of those who say nothing here. */
async function stateFor(
  { roomserver }: Deps,
  filter: RoomFilter,
  last: RoomEvent,
  shown: readonly RoomEvent[],
): Promise<RoomEvent[]> {
  const senders = new Set<string>(shown.map(({ sender }) => sender))
  const state = await roomserver.stateAroundEvent(last, 'after')
  return state.filter((event) => {
    const isNeeded = !filter.lazyLoadMembers || event.type !== 'm.room.member' || senders.has(event.stateKey ?? '')
    return isNeeded && matchesFilter(filter.events, event)
  })
}
