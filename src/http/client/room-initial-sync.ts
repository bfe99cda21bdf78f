import { z } from 'zod'
import { membershipIn } from '../../protocol/event/content.js'
import type { UserId } from '../../protocol/ids.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, textReply } from '../json-text.js'
import { stateIn, viewOf } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'
import { presenceText, receiptTexts, roomInfoText } from './legacy-sync-texts.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'ephemeral' | 'streamClock' | 'time'>

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 1_000

/** One room at once: for those who look into a room without `/sync` (guests, old clients). */
export function roomInitialSyncRoutes(deps: Deps): Route[] {
  const { roomserver, ephemeral, streamClock, time } = deps
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/initialSync',
      versions: ['r0'],
      auth: 'guest',
      params: roomParams,
      query: z.object({
        limit: queryInteger.refine((limit) => limit >= 0, 'not negative').default(DEFAULT_LIMIT),
      }),
      async handler({ user, params: { roomId }, query }) {
        const view = await viewOf(roomserver, user.userId, roomId)
        const own = await roomserver.membership(roomId, user.userId)
        const isNow = view.kind === 'current'
        const members = isNow ? await stateIn(roomserver, roomId, view, { type: 'm.room.member' }) : []
        const joined = members.filter(({ content }) => membershipIn(content) === 'join')
        const presence = await ephemeral.presence(joined.map(({ stateKey }) => stateKey as UserId))
        const upTo = streamClock.visible
        const receipts = isNow ? await ephemeral.receiptsBetween([roomId], user.userId, 0, upTo) : []
        const limit = Math.min(query.limit, MAX_LIMIT)
        const more = {
          presence: arrayText([...presence.values()].map((one) => presenceText(one, time.now()))),
          receipts: arrayText(receiptTexts(receipts)),
        }
        return textReply(await roomInfoText(deps, user, { roomId, view, membership: own?.membership, limit }, more))
      },
    }),
  ]
}
