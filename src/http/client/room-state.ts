import { z } from 'zod'
import { sendState } from '../../workflows/send-state.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { STATE_PATHS } from './state-paths.js'

export function roomStateRoutes(deps: Pick<RouteDeps, 'roomserver' | 'userapi'>): Route[] {
  return STATE_PATHS.map((path) =>
    route({
      method: 'PUT',
      path,
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema, eventType: z.string(), stateKey: z.string().default('') }),
      body: jsonObjectSchema,
      async handler({ user, params, body: content }) {
        const { roomId, eventType: type, stateKey } = params
        return { event_id: await sendState(deps, { user, roomId, type, stateKey, content }) }
      },
    }),
  )
}
