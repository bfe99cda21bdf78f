import { z } from 'zod'
import { inviteUser, refuseThirdPartyInvite } from '../../workflows/invite-user.js'
import { requireJoined } from '../../workflows/room-parts.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { reasonContent, targetBody } from '../schema/reason.js'

/** third_party_membership.yaml: the same path with another body. */
const thirdPartyBody = z.object({
  id_server: z.string(),
  id_access_token: z.string().nullish(),
  medium: z.string(),
  address: z.string(),
  user_id: z.undefined(),
})

export function invitingRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/invite',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body: z.union([targetBody, thirdPartyBody]),
      async handler({ user, params: { roomId }, body }) {
        if (body.user_id === undefined) {
          await requireJoined(deps.roomserver, roomId, user.userId)
          return refuseThirdPartyInvite()
        }
        await inviteUser(deps, { user, roomId, target: body.user_id, custom: reasonContent(body.reason) })
        return {}
      },
    }),
  ]
}
