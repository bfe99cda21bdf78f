import { z } from 'zod'
import { findAlias } from '../../workflows/find-room.js'
import { addAlias, deleteAlias } from '../../workflows/room-aliases.js'
import type { RouteDeps } from '../deps.js'
import { isWorldReadable, notAMember } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomAliasSchema, roomIdSchema, roomParams } from '../schema/ids.js'

const aliasParams = z.object({ roomAlias: roomAliasSchema })

export function directoryRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  const { roomserver, userapi } = deps
  const path = '/_matrix/client/v3/directory/room/{roomAlias}'
  const versions = ['r0']
  return [
    route({
      method: 'PUT',
      path,
      versions,
      auth: 'user',
      rateLimit: 'client',
      params: aliasParams,
      body: z.object({ room_id: roomIdSchema }),
      async handler({ user, params, body }) {
        await addAlias(deps, { user, alias: params.roomAlias, roomId: body.room_id })
        return {}
      },
    }),
    route({
      method: 'GET',
      path,
      versions,
      auth: 'none',
      rateLimit: 'client',
      params: aliasParams,
      async handler({ params }) {
        const { roomId } = await findAlias(deps, params.roomAlias)
        const servers = await roomserver.joinedServers(roomId)
        return { room_id: roomId, servers: [...new Set([userapi.serverName, ...servers])] }
      },
    }),
    route({
      method: 'DELETE',
      path,
      versions,
      auth: 'user',
      rateLimit: 'client',
      params: aliasParams,
      async handler({ user, params }) {
        await deleteAlias(deps, { user, alias: params.roomAlias })
        return {}
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/aliases',
      versions,
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      async handler({ user, params: { roomId } }) {
        const own = await roomserver.membership(roomId, user.userId)
        if (own?.membership !== 'join' && !(await isWorldReadable(roomserver, roomId))) throw notAMember()
        return { aliases: await roomserver.aliasesOf(roomId) }
      },
    }),
  ]
}
