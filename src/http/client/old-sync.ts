import { z } from 'zod'
import type { RoomMembership } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import { quote } from '../../protocol/json.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, textReply } from '../json-text.js'
import { viewOf } from '../room-view.js'
import { type Route, route } from '../route.js'
import { eventIdSchema } from '../schema/ids.js'
import { queryBoolean, queryInteger } from '../schema/query.js'
import { visibleEvent } from '../visible-event.js'
import { accountDataTexts, presenceText, receiptTexts, roomInfoText } from './legacy-sync-texts.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'ephemeral' | 'streamClock' | 'time'>

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100
const CATCH_UP_MS = 1_000

/** What `/sync` has replaced; `/events` is in `peeking-events`. */
export function oldSyncRoutes(deps: Deps): Route[] {
  return [initialSyncRoute(deps), eventRoute(deps)]
}

function initialSyncRoute(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/initialSync',
    versions: ['r0'],
    auth: 'user',
    rateLimit: 'client',
    query: z.object({
      limit: queryInteger.refine((limit) => limit >= 0, 'not negative').default(DEFAULT_LIMIT),
      archived: queryBoolean.default(false),
    }),
    async handler({ user, query }) {
      const { roomserver, ephemeral, streamClock, time } = deps
      // What the user has just done is in it; what comes from here on is told again by `/events`.
      await streamClock.caughtUp(CATCH_UP_MS)
      const upTo = streamClock.visible
      const limit = Math.min(query.limit, MAX_LIMIT)
      const memberships = [...(await roomserver.memberships(user.userId)).values()]
      const rooms: string[] = []
      for (const membership of memberships) {
        const text = await roomText(deps, user, membership, { limit, archived: query.archived })
        if (text !== undefined) rooms.push(text)
      }
      const joined = memberships.filter(({ membership }) => membership === 'join').map(({ roomId }) => roomId)
      const sharing = await roomserver.usersSharingRoomWith(user.userId)
      const presence = await ephemeral.presenceBetween(new Set([...sharing, user.userId]), 0, upTo)
      const receipts = joined.length === 0 ? [] : await ephemeral.receiptsBetween(joined, user.userId, 0, upTo)
      return textReply(
        objectText({
          end: quote(`s${upTo}`),
          rooms: arrayText(rooms),
          presence: arrayText(presence.map((one) => presenceText(one, time.now()))),
          receipts: arrayText(receiptTexts(receipts)),
          account_data: arrayText(await accountDataTexts(deps, user.userId, undefined)),
        }),
      )
    },
  })
}

/** Undefined for a room that is not to be shown: forgotten, or left where that is not asked for. */
async function roomText(
  deps: Deps,
  user: Requester,
  { roomId, membership, forgotten, sender, eventId }: RoomMembership,
  { limit, archived }: { readonly limit: number; readonly archived: boolean },
): Promise<string | undefined> {
  const { roomserver } = deps
  if (forgotten) return undefined
  if (membership === 'invite') {
    const event = await roomserver.event(eventId)
    const [invite] = event === undefined ? [] : await roomserver.present([event], user)
    return objectText({
      room_id: quote(roomId),
      membership: quote(membership),
      inviter: quote(sender),
      invite,
    })
  }
  if (membership === 'knock' || (membership !== 'join' && !archived)) return undefined
  if (membership !== 'join' && !(await roomserver.mayPeek(user.userId, roomId))) return undefined
  return roomInfoText(deps, user, { roomId, view: await viewOf(roomserver, user.userId, roomId), membership, limit })
}

function eventRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/events/{eventId}',
    versions: ['r0'],
    auth: 'user',
    params: z.object({ eventId: eventIdSchema }),
    async handler({ user, params: { eventId } }) {
      const event = await visibleEvent(roomserver, user.userId, { eventId })
      const [text] = await roomserver.present([event], user)
      return textReply(text ?? '')
    },
  })
}
