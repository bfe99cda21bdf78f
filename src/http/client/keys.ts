import { z } from 'zod'
import type { KeyServer, QueriedKeys } from '../../components/keyserver/index.js'
import type { UserApi } from '../../components/userapi/index.js'
import { type DeviceId, deviceId, parseUserId, type ServerName, serverNameOf, type UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { jsonObjectSchema } from '../schema/json.js'

/** Users that one request may ask about. Clients ask in batches of hundreds. */
const MOST_USERS = 10_000

const uploadBody = z.looseObject({
  device_keys: jsonObjectSchema.nullish(),
  one_time_keys: jsonObjectSchema.nullish(),
  fallback_keys: jsonObjectSchema.nullish(),
})

export function keysRoutes({
  keyserver,
  userapi,
  syncapi,
}: Pick<RouteDeps, 'keyserver' | 'userapi' | 'syncapi'>): Route[] {
  const shared = { versions: ['r0'], auth: 'guest' } as const
  return [
    route({
      ...shared,
      method: 'POST',
      path: '/_matrix/client/v3/keys/upload',
      body: uploadBody,
      async handler({ user, body }) {
        const { oneTimeKeys } = await keyserver.uploadKeys(user.userId, user.deviceId, {
          ...(body.device_keys ? { deviceKeys: body.device_keys } : {}),
          ...(body.one_time_keys ? { oneTimeKeys: body.one_time_keys } : {}),
          ...(body.fallback_keys ? { fallbackKeys: body.fallback_keys } : {}),
        })
        return { one_time_key_counts: Object.fromEntries(oneTimeKeys) }
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/_matrix/client/v3/keys/query',
      body: z.looseObject({ device_keys: jsonObjectSchema }),
      handler: ({ user, body }) => queryKeys({ keyserver, userapi }, user.userId, body.device_keys),
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/_matrix/client/v3/keys/claim',
      body: z.looseObject({ one_time_keys: jsonObjectSchema }),
      async handler({ body }) {
        const { local, remote } = byUser(userapi, body.one_time_keys, readClaim)
        const claimed = await keyserver.claimKeys(local)
        return { one_time_keys: nestedObject(claimed), failures: unreachable(remote) }
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v3/keys/changes',
      versions: ['r0'],
      auth: 'user',
      query: z.looseObject({ from: z.string(), to: z.string() }),
      handler: ({ user, query }) => syncapi.keyChanges(user, query.from, query.to),
    }),
  ]
}

async function queryKeys(
  { keyserver, userapi }: { readonly keyserver: KeyServer; readonly userapi: UserApi },
  viewer: UserId,
  asked: JsonObject,
): Promise<object> {
  const { local, remote } = byUser(userapi, asked, readDeviceList)
  const users = [...local.keys()]
  const [keys, devices, existing] = await Promise.all([
    keyserver.queryKeys(local, viewer),
    userapi.devicesOf(users),
    userapi.existing(users),
  ])
  const deviceKeys = new Map<UserId, Map<DeviceId, object>>()
  // A user without keys is there with none; one without an account is missing.
  for (const userId of existing) deviceKeys.set(userId, new Map())
  for (const [userId, ofUser] of keys.deviceKeys) {
    const names = new Map(devices.get(userId)?.map((device) => [device.deviceId, device.displayName]))
    // What is kept for a device goes a moment after the device itself.
    const present = [...ofUser].filter(([id]) => names.has(id))
    deviceKeys.set(userId, new Map(present.map(([id, key]) => [id, withDisplayName(key, names.get(id))])))
  }
  return { device_keys: nestedObject(deviceKeys), failures: unreachable(remote), ...crossSigningAnswer(keys) }
}

function crossSigningAnswer(keys: QueriedKeys): object {
  return {
    master_keys: Object.fromEntries(keys.masterKeys),
    self_signing_keys: Object.fromEntries(keys.selfSigningKeys),
    user_signing_keys: Object.fromEntries(keys.userSigningKeys),
  }
}

function withDisplayName(key: JsonObject, displayName: string | undefined): object {
  return { ...key, unsigned: displayName === undefined ? {} : { device_display_name: displayName } }
}

interface ByUser<T> {
  readonly local: Map<UserId, T>
  /** Servers of the others. */
  readonly remote: ReadonlySet<ServerName>
}

/** What is no user id belongs to nobody, and is missing in the answer like an unknown user. */
function byUser<T>(
  userapi: Pick<UserApi, 'isLocal'>,
  asked: JsonObject,
  read: (value: JsonValue) => T | undefined,
): ByUser<T> {
  const local = new Map<UserId, T>()
  const remote = new Set<ServerName>()
  const entries = Object.entries(asked)
  if (entries.length > MOST_USERS) throw new MatrixError('M_TOO_LARGE', `At most ${MOST_USERS} users in a request`)
  for (const [user, value] of entries) {
    const of = read(value)
    if (of === undefined) throw new MatrixError('M_BAD_JSON', 'The devices of a user have the wrong shape')
    const userId = parseUserId(user)
    if (userId === undefined) continue
    if (userapi.isLocal(userId)) local.set(userId, of)
    else remote.add(serverNameOf(userId))
  }
  return { local, remote }
}

/** Empty: all devices. One that can be no device's makes the list malformed, or it might become empty. */
function readDeviceList(value: JsonValue): readonly DeviceId[] | undefined {
  if (!Array.isArray(value)) return undefined
  const ids = value.map((id) => (typeof id === 'string' ? deviceId(id) : undefined)).filter((id) => id !== undefined)
  return ids.length === value.length ? ids : undefined
}

function readClaim(value: JsonValue): ReadonlyMap<DeviceId, string> | undefined {
  if (!isJsonObject(value)) return undefined
  const wanted = new Map<DeviceId, string>()
  for (const [device, algorithm] of Object.entries(value)) {
    if (typeof algorithm !== 'string') return undefined
    const id = deviceId(device)
    if (id !== undefined) wanted.set(id, algorithm)
  }
  return wanted
}

function unreachable(servers: ReadonlySet<ServerName>): object {
  const failure = { status: 503, errcode: 'M_CONNECTION_FAILED', error: 'The server cannot be reached' }
  return Object.fromEntries([...servers].map((server) => [server, failure]))
}

function nestedObject(map: ReadonlyMap<string, ReadonlyMap<string, object>>): object {
  return Object.fromEntries([...map].map(([key, inner]) => [key, Object.fromEntries(inner)]))
}
