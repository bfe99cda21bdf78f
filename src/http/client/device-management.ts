import { z } from 'zod'
import type { Device, UserApi } from '../../components/userapi/index.js'
import type { UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { withAuth } from '../schema/json.js'
import { deviceNameSchema } from './login.js'

const FLOWS = [['m.login.password']]
/** Of one request; nobody has more. */
const MOST_DEVICES = 10_000

const deviceParams = z.object({ deviceId: z.string() })

export function deviceManagementRoutes({
  userapi,
  userInteractive,
}: Pick<RouteDeps, 'userapi' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/devices',
      versions: ['r0'],
      auth: 'guest',
      handler: async ({ user }) => ({ devices: (await userapi.devices(user.userId)).map(deviceAnswer) }),
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/devices/{deviceId}',
      versions: ['r0'],
      auth: 'guest',
      params: deviceParams,
      async handler({ user, params }) {
        const device = await userapi.device(user.userId, params.deviceId)
        if (device === undefined) throw noSuchDevice()
        return deviceAnswer(device)
      },
    }),
    route({
      method: 'PUT',
      path: '/_matrix/client/v3/devices/{deviceId}',
      versions: ['r0'],
      auth: 'guest',
      rateLimit: 'client',
      params: deviceParams,
      body: z.looseObject({ display_name: deviceNameSchema.nullish() }),
      async handler({ user, params, body }) {
        if (!(await changeName(userapi, user.userId, params.deviceId, body.display_name))) throw noSuchDevice()
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: '/_matrix/client/v3/devices/{deviceId}',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      params: deviceParams,
      body: z.looseObject(withAuth),
      async handler(request) {
        const { user, params, body } = request
        await userInteractive.authorise({ requester: user, flows: FLOWS, body, request })
        await userapi.deleteDevices(user.userId, [params.deviceId])
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/delete_devices',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      body: z.looseObject({ ...withAuth, devices: z.array(z.string()).max(MOST_DEVICES) }),
      async handler(request) {
        const { user, body } = request
        await userInteractive.authorise({ requester: user, flows: FLOWS, body, request })
        await userapi.deleteDevices(user.userId, body.devices)
        return {}
      },
    }),
  ]
}

/** An absent name changes nothing. Returns whether there is such a device. */
async function changeName(
  userapi: UserApi,
  userId: UserId,
  deviceId: string,
  name: string | null | undefined,
): Promise<boolean> {
  if (name === undefined || name === null) return (await userapi.device(userId, deviceId)) !== undefined
  return userapi.renameDevice(userId, deviceId, name)
}

function noSuchDevice(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such device')
}

function deviceAnswer(device: Device): object {
  return {
    device_id: device.deviceId,
    display_name: device.displayName,
    last_seen_ip: device.lastSeenIp,
    last_seen_ts: device.lastSeenTs,
    last_seen_user_agent: device.lastSeenUserAgent,
  }
}
