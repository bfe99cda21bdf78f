import { z } from 'zod'
import type { JsonValue } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { sendReceipts } from '../../workflows/send-receipts.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema } from '../schema/ids.js'
import { jsonValueSchema } from '../schema/json.js'

export type ReceiptRouteDeps = Pick<RouteDeps, 'roomserver' | 'ephemeral' | 'pushserver' | 'userapi' | 'time'>

export function receiptsRoutes(deps: ReceiptRouteDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({
        roomId: roomIdSchema,
        receiptType: z.enum(['m.read', 'm.read.private', 'm.fully_read']),
        eventId: eventIdSchema,
      }),
      body: z.looseObject({ thread_id: jsonValueSchema.optional() }),
      async handler({ user, params: { roomId, receiptType, eventId }, body }) {
        const threadId = readThreadId(body.thread_id)
        if (threadId !== undefined && receiptType === 'm.fully_read') {
          throw new MatrixError('M_INVALID_PARAM', 'm.fully_read has no thread_id')
        }
        await sendReceipts(deps, { userId: user.userId, roomId, markers: new Map([[receiptType, eventId]]), threadId })
        return {}
      },
    }),
  ]
}

function readThreadId(threadId: JsonValue | undefined): string | undefined {
  if (threadId === undefined || (typeof threadId === 'string' && threadId !== '')) return threadId
  throw new MatrixError('M_INVALID_PARAM', 'thread_id must be a non-empty string')
}
