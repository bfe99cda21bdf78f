import { z } from 'zod'
import { upgradeRoom } from '../../workflows/upgrade-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams, userIdSchema } from '../schema/ids.js'

/** Creators beside the one who upgrades: each is told of the room for ever. */
const MAX_CREATORS = 50

export function roomUpgradesRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi' | 'pushserver'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/upgrade',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body: z.object({
        new_version: z.string(),
        additional_creators: z.array(userIdSchema).max(MAX_CREATORS).nullish(),
      }),
      async handler({ user, params: { roomId }, body }) {
        const newVersion = body.new_version
        const additionalCreators = body.additional_creators ?? []
        const replacement = await upgradeRoom(deps, { user, roomId, newVersion, additionalCreators })
        return { replacement_room: replacement }
      },
    }),
  ]
}
