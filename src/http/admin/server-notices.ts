import { z } from 'zod'
import { type NoticeParts, sendServerNotice } from '../../workflows/server-notices.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { keySchema, userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { transactionOf } from '../transaction-id.js'

const noticeBody = z.looseObject({
  user_id: userIdSchema,
  content: jsonObjectSchema,
  type: keySchema.default('m.room.message'),
  state_key: keySchema.nullish(),
})
const PATH = '/_synapse/admin/v1/send_server_notice'

/** Synapse's operation, which Dendrite has as well. Where notices are off the path does not exist. */
export function serverNoticesRoutes(deps: Pick<RouteDeps, 'config' | 'userapi' | 'roomserver'>): Route[] {
  const { userapi, roomserver } = deps
  const { server_notices: config } = deps.config.global
  if (!config.enabled) return []
  const parts: NoticeParts = { userapi, roomserver, config, roomVersion: deps.config.room_server.default_room_version }
  const noticeOf = (body: z.output<typeof noticeBody>) => ({
    userId: body.user_id,
    type: body.type,
    stateKey: body.state_key ?? undefined,
    content: body.content,
  })
  return [
    route({
      method: 'POST',
      path: PATH,
      auth: 'admin',
      body: noticeBody,
      handler: async ({ body }) => ({ event_id: await sendServerNotice(parts, noticeOf(body)) }),
    }),
    route({
      method: 'PUT',
      path: `${PATH}/{txnId}`,
      auth: 'admin',
      params: z.object({ txnId: z.string() }),
      body: noticeBody,
      handler: async (request) => ({
        event_id: await sendServerNotice(parts, {
          ...noticeOf(request.body),
          transaction: transactionOf(request),
        }),
      }),
    }),
  ]
}
