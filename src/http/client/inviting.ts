import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { inviteUser, refuseThirdPartyInvite } from '../../workflows/invite-user.js'
import { requireJoined } from '../../workflows/room-parts.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { reasonContent, targetBody } from '../schema/reason.js'

/** third_party_membership.yaml has the same path: there an identity server is told whom. */
const body = targetBody
  .partial({ user_id: true })
  .extend({ id_server: z.string().nullish(), medium: z.string().nullish() })

export function invitingRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/invite',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body,
      async handler({ user, params: { roomId }, body: { user_id: target, medium, reason } }) {
        if (target === undefined) {
          if (typeof medium !== 'string') throw new MatrixError('M_BAD_JSON', 'user_id: a user ID is expected')
          await requireJoined(deps.roomserver, roomId, user.userId)
          return refuseThirdPartyInvite()
        }
        await inviteUser(deps, { user, roomId, target, custom: reasonContent(reason) })
        return {}
      },
    }),
  ]
}
