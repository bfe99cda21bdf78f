import { getObject, type JsonObject } from '../../protocol/json.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { jsonObjectSchema } from '../schema/json.js'

const FLOWS = [['m.login.password']]

export function crossSigningRoutes({
  keyserver,
  userInteractive,
}: Pick<RouteDeps, 'keyserver' | 'userInteractive'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/keys/device_signing/upload',
      // Some bots still use the name of the proposal.
      versions: ['r0', 'unstable'],
      auth: 'user',
      body: jsonObjectSchema,
      async handler(request) {
        const { user, body } = request
        if (user.accountType !== 'appservice' && (await keyserver.crossSigningNeedsAuth(user.userId, body))) {
          await userInteractive.authorise({ requester: user, flows: FLOWS, body: { auth: authOf(body) }, request })
        }
        await keyserver.uploadCrossSigningKeys(user.userId, body)
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/client/v3/keys/signatures/upload',
      versions: ['r0', 'unstable'],
      auth: 'user',
      body: jsonObjectSchema,
      handler: async ({ user, body }) => ({ failures: await keyserver.uploadSignatures(user.userId, body) }),
    }),
  ]
}

function authOf(body: JsonObject): JsonObject | undefined {
  return getObject(body, 'auth')
}
