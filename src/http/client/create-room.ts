import { z } from 'zod'
import type { Requester } from '../../components/userapi/index.js'
import { createRoom, type RoomOrder } from '../../workflows/create-room.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'

const body = z.object({
  visibility: z.enum(['public', 'private']).nullish(),
  preset: z.enum(['private_chat', 'public_chat', 'trusted_private_chat']).nullish(),
  room_alias_name: z.string().nullish(),
  name: z.string().nullish(),
  topic: z.string().nullish(),
  room_version: z.string().nullish(),
  invite: z.array(userIdSchema).nullish(),
  invite_3pid: z.array(jsonObjectSchema).nullish(),
  is_direct: z.boolean().nullish(),
  creation_content: jsonObjectSchema.nullish(),
  initial_state: z
    .array(z.object({ type: z.string(), state_key: z.string().nullish(), content: jsonObjectSchema }))
    .nullish(),
  power_level_content_override: jsonObjectSchema.nullish(),
})

export function createRoomRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi' | 'config'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/createRoom',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      body,
      async handler(request) {
        const order = orderOf(request.user, request.body, deps.config.room_server.default_room_version)
        return { room_id: await createRoom(deps, order) }
      },
    }),
  ]
}

function orderOf(user: Requester, given: z.output<typeof body>, defaultVersion: string): RoomOrder {
  const isPublic = given.visibility === 'public'
  return {
    user,
    version: given.room_version ?? defaultVersion,
    preset: given.preset ?? (isPublic ? 'public_chat' : 'private_chat'),
    published: isPublic,
    // Clients send the empty fields of their forms.
    aliasName: given.room_alias_name || undefined,
    name: given.name || undefined,
    topic: given.topic || undefined,
    invite: given.invite ?? [],
    thirdPartyInvites: given.invite_3pid?.length ?? 0,
    isDirect: given.is_direct === true,
    creationContent: given.creation_content ?? {},
    initialState: (given.initial_state ?? []).map(({ type, state_key: stateKey, content }) => {
      return { type, stateKey: stateKey ?? '', content }
    }),
    powerLevelOverride: given.power_level_content_override ?? {},
  }
}
