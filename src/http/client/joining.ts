import { z } from 'zod'
import { getObject, getValue, isJsonObject, type JsonObject } from '../../protocol/json.js'
import { findRoom } from '../../workflows/find-room.js'
import { followUpgrade } from '../../workflows/follow-upgrade.js'
import { joinRoom } from '../../workflows/join-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { reasonedBody } from '../schema/reason.js'

const body = reasonedBody.refine((given) => {
  const signed = getValue(given, 'third_party_signed')
  return signed === undefined || signed === null || isJsonObject(signed)
}, 'third_party_signed: an object is expected')

/**
 * Servers named by `via` would be asked for a room that is not here; this server talks to no others.
 *
 * SPEC-DEPARTURE: "Guest access" names only the first of the two paths; guests have always come by the second as well.
 */
export function joiningRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi' | 'pushserver'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/join',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomId: z.string() }),
      body,
      async handler({ user, params, body: custom }) {
        const roomId = await findRoom(deps, params.roomId)
        await joinRoom(deps, { user, roomId, custom, thirdPartySigned: signedIn(custom) })
        await followUpgrade(deps, user.userId, roomId)
        return { room_id: roomId }
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/join/{roomIdOrAlias}',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomIdOrAlias: z.string() }),
      body,
      async handler({ user, params, body: custom }) {
        const roomId = await findRoom(deps, params.roomIdOrAlias)
        await joinRoom(deps, { user, roomId, custom, thirdPartySigned: signedIn(custom) })
        await followUpgrade(deps, user.userId, roomId)
        return { room_id: roomId }
      },
    }),
  ]
}

function signedIn(body: JsonObject): JsonObject | undefined {
  return getObject(body, 'third_party_signed')
}
