import { z } from 'zod'
import { findRoom } from '../../workflows/find-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomIdSchema } from '../schema/ids.js'

/** Peeking into world-readable rooms (MSC2753), under the paths of Dendrite and under the proposal's own. */
export function peekingRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi' | 'syncapi'>): Route[] {
  const peek = (path: string) =>
    route({
      method: 'POST',
      path,
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomIdOrAlias: z.string() }),
      async handler({ user, params }) {
        const roomId = await findRoom(deps, params.roomIdOrAlias)
        await deps.syncapi.peek(user, roomId)
        return { room_id: roomId }
      },
    })
  const unpeek = (path: string) =>
    route({
      method: 'POST',
      path,
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema }),
      async handler({ user, params }) {
        await deps.syncapi.unpeek(user, params.roomId)
        return {}
      },
    })
  return [
    peek('/_matrix/client/v3/peek/{roomIdOrAlias}'),
    peek('/_matrix/client/unstable/org.matrix.msc2753/peek/{roomIdOrAlias}'),
    unpeek('/_matrix/client/v3/rooms/{roomId}/unpeek'),
    unpeek('/_matrix/client/unstable/org.matrix.msc2753/rooms/{roomId}/unpeek'),
  ]
}
