import { z } from 'zod'
import type { NewPusher, Pusher } from '../../components/pushserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import { getString, type JsonObject, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { jsonObjectSchema } from '../schema/json.js'

const NOTIFY_PATH = '/_matrix/push/v1/notify'

/** pusher.yaml sets the first two; the others are shown to people. */
const MAX_APP_ID = 64
const MAX_PUSHKEY_BYTES = 512
const MAX_TEXT_BYTES = 1_024
const MAX_DATA_BYTES = 8_192

/** MSC3881, by which one session switches the pushes of another; clients look for the unstable names only. */
const ENABLED = 'org.matrix.msc3881.enabled'
const DEVICE_ID = 'org.matrix.msc3881.device_id'

const text = z
  .string()
  .refine((value) => Buffer.byteLength(value) <= MAX_TEXT_BYTES, `longer than ${MAX_TEXT_BYTES} bytes`)
  .nullish()

const setBody = z.looseObject({
  kind: z.string().nullable(),
  app_id: z.string().refine((id) => [...id].length <= MAX_APP_ID, `longer than ${MAX_APP_ID} characters`),
  pushkey: z
    .string()
    .refine((key) => Buffer.byteLength(key) <= MAX_PUSHKEY_BYTES, `longer than ${MAX_PUSHKEY_BYTES} bytes`),
  app_display_name: text,
  device_display_name: text,
  profile_tag: text,
  lang: text,
  data: jsonObjectSchema.nullish(),
  append: z.boolean().nullish(),
  [ENABLED]: z.boolean().nullish(),
})

/** pusher.yaml. */
export function pusherRoutes({ pushserver }: Pick<RouteDeps, 'pushserver'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/pushers',
      versions: ['r0'],
      auth: 'user',
      handler: async ({ user }) => ({ pushers: (await pushserver.pushers(user.userId)).map(shownPusher) }),
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/pushers/set',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      body: setBody,
      async handler({ user, body }) {
        if (body.kind === null) await pushserver.deletePusher(user.userId, body.app_id, body.pushkey)
        else await pushserver.setPusher(user.userId, newPusher(user, body))
        return {}
      },
    }),
  ]
}

function newPusher(user: Requester, body: z.output<typeof setBody>): NewPusher {
  if (body.kind !== 'http') throw new MatrixError('M_INVALID_PARAM', 'kind: only http pushers are supported')
  const { app_display_name, device_display_name, lang, data } = body
  if (app_display_name == null || device_display_name == null || lang == null || data == null) {
    const needed = Object.entries({ app_display_name, device_display_name, lang, data })
    const missing = needed.filter(([, value]) => value == null).map(([name]) => name)
    throw new MatrixError('M_MISSING_PARAM', `Missing parameters: ${missing.join(', ')}`)
  }
  checkData(data)
  return {
    appId: body.app_id,
    pushkey: body.pushkey,
    appDisplayName: app_display_name,
    deviceDisplayName: device_display_name,
    lang,
    profileTag: body.profile_tag ?? undefined,
    data,
    append: body.append ?? false,
    enabled: body[ENABLED] ?? undefined,
    deviceId: user.deviceId,
  }
}

/**
 * SPEC-DEPARTURE: `http:` gateways are accepted as well as `https:` ones. People run a gateway of their own beside the
 * server; which addresses may be reached at all is the configuration's to say.
 */
function checkData(data: JsonObject): void {
  if (Buffer.byteLength(stringifyJson(data)) > MAX_DATA_BYTES) {
    throw new MatrixError('M_TOO_LARGE', `data may have ${MAX_DATA_BYTES} bytes`, { status: 400 })
  }
  const given = getString(data, 'url')
  if (given === undefined) throw new MatrixError('M_MISSING_PARAM', 'data.url is missing')
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '') {
    throw new MatrixError('M_INVALID_PARAM', 'data.url is not the URL of a push gateway')
  }
  if (url.pathname !== NOTIFY_PATH) throw new MatrixError('M_INVALID_PARAM', `data.url: the path is ${NOTIFY_PATH}`)
}

function shownPusher({ appId, pushkey, deviceId, enabled, shown, data }: Pusher): JsonObject {
  return { ...shown, app_id: appId, pushkey, kind: 'http', data, [ENABLED]: enabled, [DEVICE_ID]: deviceId }
}
