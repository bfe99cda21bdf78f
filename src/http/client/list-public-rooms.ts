import { z } from 'zod'
import type { PublicRoom } from '../../components/roomserver/index.js'
import type { JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { setPublished } from '../../workflows/room-aliases.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomParams } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

/** Most rooms in one answer, also where no limit is given. */
const MAX_LIMIT = 100

const path = '/_matrix/client/v3/publicRooms'
const versions = ['r0']

export function listPublicRoomsRoutes(deps: Deps): Route[] {
  return [...visibilityRoutes(deps), getRoute(deps), queryRoute(deps)]
}

function visibilityRoutes({ roomserver }: Deps): Route[] {
  const visibilityPath = '/_matrix/client/v3/directory/list/room/{roomId}'
  return [
    route({
      method: 'GET',
      path: visibilityPath,
      versions,
      auth: 'none',
      rateLimit: 'client',
      params: roomParams,
      async handler({ params: { roomId } }) {
        const room = await roomserver.room(roomId)
        if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'This room is not known here')
        return { visibility: (await roomserver.isPublished(roomId)) ? 'public' : 'private' }
      },
    }),
    route({
      method: 'PUT',
      path: visibilityPath,
      versions,
      auth: 'user',
      rateLimit: 'client',
      params: roomParams,
      body: z.object({ visibility: z.enum(['public', 'private']).default('public') }),
      async handler({ user, params: { roomId }, body }) {
        await setPublished({ roomserver }, { user, roomId, published: body.visibility === 'public' })
        return {}
      },
    }),
  ]
}

function getRoute(deps: Deps): Route {
  return route({
    method: 'GET',
    path,
    versions,
    auth: 'none',
    rateLimit: 'client',
    query: z.object({ limit: queryInteger.optional(), since: z.string().optional(), server: z.string().optional() }),
    async handler({ query }) {
      requireOwnDirectory(deps, query.server)
      return list(deps, query)
    },
  })
}

function queryRoute(deps: Deps): Route {
  return route({
    method: 'POST',
    path,
    versions,
    auth: 'user',
    rateLimit: 'client',
    query: z.object({ server: z.string().optional() }),
    body: z.object({
      limit: z.number().int().nullish(),
      since: z.string().nullish(),
      filter: z
        .object({
          generic_search_term: z.string().nullish(),
          room_types: z.array(z.string().nullable()).nullish(),
        })
        .nullish(),
      include_all_networks: z.boolean().nullish(),
      third_party_instance_id: z.string().nullish(),
    }),
    async handler({ query, body }) {
      requireOwnDirectory(deps, query.server)
      if (typeof body.third_party_instance_id === 'string' && body.third_party_instance_id !== '') {
        if (body.include_all_networks === true) {
          throw new MatrixError('M_INVALID_PARAM', 'Either all networks or one of them')
        }
        // Networks are what application services bring along; without any, none has rooms.
        return { chunk: [], total_room_count_estimate: 0 }
      }
      return list(deps, {
        limit: body.limit ?? undefined,
        since: body.since ?? undefined,
        search: body.filter?.generic_search_term ?? undefined,
        roomTypes: body.filter?.room_types ?? undefined,
      })
    },
  })
}

/** @throws MatrixError M_FORBIDDEN for the directory of another server, which this one does not talk to */
function requireOwnDirectory({ userapi }: Deps, server: string | undefined): void {
  if (server === undefined || server === '' || server === userapi.serverName) return
  throw new MatrixError('M_FORBIDDEN', 'This server does not talk to other servers: their directories cannot be read')
}

interface Listing {
  readonly limit?: number | undefined
  readonly since?: string | undefined
  readonly search?: string | undefined
  readonly roomTypes?: readonly (string | null)[] | undefined
}

async function list({ roomserver }: Deps, { limit = MAX_LIMIT, since, search, roomTypes }: Listing): Promise<object> {
  if (limit < 0) throw new MatrixError('M_INVALID_PARAM', 'limit: not negative')
  const found = await roomserver.publicRooms({
    limit: limit === 0 ? MAX_LIMIT : Math.min(limit, MAX_LIMIT),
    ...(since !== undefined && since !== '' && { since }),
    ...(search !== undefined && { search }),
    ...(roomTypes !== undefined && { roomTypes }),
  })
  return {
    chunk: found.rooms.map(directoryEntry),
    total_room_count_estimate: found.total,
    ...(found.next !== undefined && { next_batch: found.next }),
    ...(found.prev !== undefined && { prev_batch: found.prev }),
  }
}

/** definitions/public_rooms_chunk.yaml */
export function directoryEntry(room: PublicRoom): JsonObject {
  return {
    room_id: room.roomId,
    num_joined_members: room.joinedMembers,
    world_readable: room.worldReadable,
    guest_can_join: room.guestCanJoin,
    join_rule: room.joinRule,
    ...(room.name !== undefined && { name: room.name }),
    ...(room.topic !== undefined && { topic: room.topic }),
    ...(room.canonicalAlias !== undefined && { canonical_alias: room.canonicalAlias }),
    ...(room.avatarUrl !== undefined && { avatar_url: room.avatarUrl }),
    ...(room.roomType !== undefined && { room_type: room.roomType }),
  }
}
