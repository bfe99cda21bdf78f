import { z } from 'zod'
import type { RoomEvent } from '../../components/roomserver/index.js'
import { membershipIn } from '../../protocol/event/content.js'
import type { RoomId, UserId } from '../../protocol/ids.js'
import type { JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, textReply } from '../json-text.js'
import { notAMember, stateIn, viewOf } from '../room-view.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema, roomParams } from '../schema/ids.js'
import { readPosition } from '../timeline-token.js'
import { STATE_PATHS } from './state-paths.js'

type Deps = Pick<RouteDeps, 'roomserver'>

const membershipSchema = z.enum(['join', 'invite', 'knock', 'leave', 'ban'])

export function roomsRoutes(deps: Deps): Route[] {
  return [eventRoute(deps), stateRoute(deps), ...stateKeyRoutes(deps), membersRoute(deps), joinedMembersRoute(deps)]
}

/** What somebody may not see is answered like what is not there. */
function eventRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/event/{eventId}',
    versions: ['r0'],
    auth: 'guest',
    params: z.object({ roomId: roomIdSchema, eventId: eventIdSchema }),
    async handler({ user, params: { roomId, eventId } }) {
      const event = await roomserver.event(eventId)
      const isHere = event !== undefined && event.roomId === roomId
      const [seen] = isHere ? await roomserver.visibleTo(user.userId, [event]) : []
      const [text] = seen === undefined ? [] : await roomserver.present([seen], user)
      if (text === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such event, or you may not see it')
      return textReply(text)
    },
  })
}

function stateRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/state',
    versions: ['r0'],
    auth: 'guest',
    params: roomParams,
    async handler({ user, params: { roomId } }) {
      const state = await stateIn(roomserver, roomId, await viewOf(roomserver, user.userId, roomId))
      return textReply(arrayText(await roomserver.present(state, user)))
    },
  })
}

function stateKeyRoutes({ roomserver }: Deps): Route[] {
  return STATE_PATHS.map((path) =>
    route({
      method: 'GET',
      path,
      versions: ['r0'],
      auth: 'guest',
      params: z.object({ roomId: roomIdSchema, eventType: z.string(), stateKey: z.string().default('') }),
      query: z.object({ format: z.enum(['content', 'event']).default('content') }),
      async handler({ user, params: { roomId, eventType: type, stateKey }, query }) {
        const view = await viewOf(roomserver, user.userId, roomId)
        const [event] = await stateIn(roomserver, roomId, view, { type, stateKey })
        if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such state')
        if (query.format === 'content') return event.content
        return textReply(arrayText(await roomserver.present([event], user)).slice(1, -1))
      },
    }),
  )
}

function membersRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/members',
    versions: ['r0'],
    auth: 'guest',
    params: roomParams,
    query: z.object({
      at: z.string().optional(),
      membership: membershipSchema.optional(),
      not_membership: membershipSchema.optional(),
    }),
    async handler({ user, params: { roomId }, query }) {
      const members = await memberEvents({ roomserver }, { userId: user.userId, roomId, at: query.at })
      const chunk = members.filter(({ content }) => {
        const membership = membershipIn(content)
        return (query.membership ?? membership) === membership && query.not_membership !== membership
      })
      return textReply(objectText({ chunk: arrayText(await roomserver.present(chunk, user)) }))
    },
  })
}

interface MembersAt {
  readonly userId: UserId
  readonly roomId: RoomId
  /** A token; absent: now. */
  readonly at: string | undefined
}

/** The membership events of a room at a point in time; for somebody who has left no later than when they did. */
async function memberEvents({ roomserver }: Deps, { userId, roomId, at }: MembersAt): Promise<RoomEvent[]> {
  const view = await viewOf(roomserver, userId, roomId)
  const position = at === undefined || at === '' ? undefined : readPosition(at)
  const isLater = view.kind === 'left' && (position ?? Infinity) >= (view.event.position ?? 0)
  if (position === undefined || isLater) return stateIn(roomserver, roomId, view, { type: 'm.room.member' })
  const state = await roomserver.stateAtPosition([{ roomId, position }], [['m.room.member', undefined]])
  return state.get(roomId) ?? []
}

/** For members only: unlike `/members` it has no view of the past. */
function joinedMembersRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/joined_members',
    versions: ['r0'],
    auth: 'user',
    params: roomParams,
    async handler({ user, params: { roomId } }) {
      const own = await roomserver.membership(roomId, user.userId)
      if (own?.membership !== 'join') throw notAMember()
      const members = (await roomserver.members([roomId], ['join'])).get(roomId) ?? []
      const joined: Record<string, JsonObject> = Object.create(null)
      for (const { userId, displayName, avatarUrl } of members) {
        // Both are always there: that is what clients have come to rely on.
        joined[userId] = { display_name: displayName ?? null, avatar_url: avatarUrl ?? null }
      }
      return { joined }
    },
  })
}
