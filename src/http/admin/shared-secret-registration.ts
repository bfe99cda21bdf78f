import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { MatrixError } from '../../protocol/matrix-error.js'
import { register } from '../../workflows/register.js'
import { registerAnswer } from '../client/registration.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

const NONCE_MS = 60_000
const NONCES = 1_000
/** As Dendrite calls it. */
const DEVICE_ID = 'shared_secret_registration'

const noNul = (text: string) => !text.includes('\0')
const fieldSchema = z.string().max(1_000).refine(noNul, 'NUL is not allowed')

const registerBody = z.looseObject({
  nonce: fieldSchema,
  username: fieldSchema,
  password: fieldSchema,
  mac: z.string().max(100),
  admin: z.boolean().default(false),
  user_type: fieldSchema.nullish(),
  displayname: fieldSchema.nullish(),
})

/**
 * Registration by who knows `registration_shared_secret`, disabled registration or not: a nonce, then an HMAC-SHA1 over
 * nonce, name, password and kind of account, each separated by NUL. Without a secret the path does not exist.
 */
export function sharedSecretRegistrationRoutes({
  config,
  userapi,
  time,
}: Pick<RouteDeps, 'config' | 'userapi' | 'time'>): Route[] {
  const secret = config.client_api.registration_shared_secret
  if (secret === '') return []
  /** To when each is good; used once. */
  const nonces = new LRUCache<string, number>({ max: NONCES })
  const path = '/_synapse/admin/v1/register'
  return [
    route({
      method: 'GET',
      path,
      auth: 'none',
      async handler() {
        const nonce = randomBytes(32).toString('hex')
        nonces.set(nonce, time.monotonic() + NONCE_MS)
        return { nonce }
      },
    }),
    route({
      method: 'POST',
      path,
      auth: 'none',
      body: registerBody,
      async handler({ body, clientAddress, userAgent }) {
        const goodUntil = nonces.get(body.nonce)
        if (goodUntil === undefined || !nonces.delete(body.nonce) || goodUntil < time.monotonic()) {
          throw new MatrixError('M_UNKNOWN', 'The nonce is unknown, used or too old')
        }
        if (!isRightMac(secret, body)) throw new MatrixError('M_FORBIDDEN', 'The HMAC is incorrect')
        const registered = await register(userapi, {
          username: body.username,
          password: body.password,
          type: body.admin ? 'admin' : 'user',
          ...(typeof body.displayname === 'string' ? { displayName: body.displayname } : {}),
          login: {
            deviceId: DEVICE_ID,
            initialDeviceDisplayName: DEVICE_ID,
            clientAddress,
            ...(userAgent === undefined ? {} : { userAgent }),
          },
        })
        return registerAnswer(userapi, registered)
      },
    }),
  ]
}

function isRightMac(secret: string, body: z.output<typeof registerBody>): boolean {
  const parts = [body.nonce, body.username, body.password, body.admin ? 'admin' : 'notadmin']
  if (typeof body.user_type === 'string') parts.push(body.user_type)
  const expected = createHmac('sha1', secret).update(parts.join('\0')).digest()
  const given = Buffer.from(body.mac, 'hex')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
