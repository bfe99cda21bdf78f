import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { sendMessage } from '../../workflows/send-message.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { roomIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { transactionOf } from '../transaction-id.js'

export function roomSendRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema, eventType: z.string(), txnId: z.string() }),
      body: jsonObjectSchema,
      async handler(request) {
        const { user, params, body: content } = request
        const { roomId, eventType: type } = params
        const transaction = transactionOf(request)
        return { event_id: await sendMessage({ roomserver }, { user, roomId, type, content, transaction }) }
      },
    }),
    // SPEC-DEPARTURE: never specified since r0, but old bots send without a transaction id. Each request is a new one.
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema, eventType: z.string() }),
      body: jsonObjectSchema,
      async handler({ user, params, body: content, path }) {
        const { roomId, eventType: type } = params
        const { userId, deviceId } = user
        const transaction = { userId, deviceId, path, txnId: randomUUID() }
        return { event_id: await sendMessage({ roomserver }, { user, roomId, type, content, transaction }) }
      },
    }),
  ]
}
