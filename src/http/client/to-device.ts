import { z } from 'zod'
import { type DeviceId, deviceId, parseUserId, type UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { keySchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'

type Messages = Map<UserId, ReadonlyMap<DeviceId | '*', JsonObject>>

export function toDeviceRoutes({ keyserver }: Pick<RouteDeps, 'keyserver'>): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/_matrix/client/v3/sendToDevice/{eventType}/{txnId}',
      versions: ['r0'],
      auth: 'guest',
      params: z.object({ eventType: keySchema, txnId: keySchema }),
      body: z.looseObject({ messages: jsonObjectSchema }),
      async handler({ user, params, body }) {
        await keyserver.sendToDevice({
          sender: user.userId,
          senderDeviceId: user.deviceId,
          type: params.eventType,
          txnId: params.txnId,
          messages: readMessages(body.messages),
        })
        return {}
      },
    }),
  ]
}

/** What can be no user or device has no messages: it is passed over like an unknown one. */
function readMessages(given: JsonObject): Messages {
  const messages: Messages = new Map()
  for (const [user, devices] of Object.entries(given)) {
    if (!isJsonObject(devices)) throw new MatrixError('M_BAD_JSON', 'messages must map users to maps of devices')
    const byDevice = new Map<DeviceId | '*', JsonObject>()
    for (const [device, content] of Object.entries(devices)) {
      if (!isJsonObject(content)) throw new MatrixError('M_BAD_JSON', 'The content of a message must be an object')
      const id = device === '*' ? '*' : deviceId(device)
      if (id !== undefined) byDevice.set(id, content)
    }
    const userId = parseUserId(user)
    if (userId !== undefined) messages.set(userId, byDevice)
  }
  return messages
}
