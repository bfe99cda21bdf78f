import { z } from 'zod'
import { redactEvent } from '../../workflows/send-message.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema } from '../schema/ids.js'
import { reasonedBody, reasonIn } from '../schema/reason.js'
import { transactionOf } from '../transaction-id.js'

export function redactionRoutes({ roomserver }: Pick<RouteDeps, 'roomserver'>): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema, eventId: eventIdSchema, txnId: z.string() }),
      body: reasonedBody,
      async handler(request) {
        const { user, params, body } = request
        const { roomId, eventId: target } = params
        const transaction = transactionOf(request)
        const redaction = { user, roomId, target, content: reasonIn(body), transaction }
        return { event_id: await redactEvent({ roomserver }, redaction) }
      },
    }),
  ]
}
