import { z } from 'zod'
import type { EventId } from '../../protocol/ids.js'
import { type Marker, sendReceipts } from '../../workflows/send-receipts.js'
import { type Route, route } from '../route.js'
import { eventIdSchema, roomIdSchema } from '../schema/ids.js'
import type { ReceiptRouteDeps } from './receipts.js'

const MARKERS: readonly Marker[] = ['m.fully_read', 'm.read', 'm.read.private']

export function readMarkersRoutes(deps: ReceiptRouteDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/{roomId}/read_markers',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: z.object({ roomId: roomIdSchema }),
      body: z.looseObject({
        'm.fully_read': eventIdSchema.nullish(),
        'm.read': eventIdSchema.nullish(),
        'm.read.private': eventIdSchema.nullish(),
      }),
      async handler({ user, params, body }) {
        const markers = new Map<Marker, EventId>()
        for (const marker of MARKERS) {
          const eventId = body[marker]
          if (eventId) markers.set(marker, eventId)
        }
        await sendReceipts(deps, { userId: user.userId, roomId: params.roomId, markers, threadId: undefined })
        return {}
      },
    }),
  ]
}
