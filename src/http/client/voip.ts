import { createHmac } from 'node:crypto'
import type { UserId } from '../../protocol/ids.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

/** Of the credentials, when the configuration names no lifetime. */
const DEFAULT_LIFETIME_MS = 24 * 60 * 60_000

/** Guests place no calls through the relay: whoever runs it pays for what goes through. */
export function voipRoutes({ config, time }: Pick<RouteDeps, 'config' | 'time'>): Route[] {
  const { turn } = config.client_api
  const lifetimeMs = turn.turn_user_lifetime > 0 ? turn.turn_user_lifetime : DEFAULT_LIFETIME_MS
  const ttl = Math.floor(lifetimeMs / 1000)

  const credentials = (userId: UserId): { readonly username: string; readonly password: string } | undefined => {
    if (turn.turn_shared_secret !== '') {
      const goodUntil = Math.floor((time.now() + lifetimeMs) / 1000)
      return sharedSecretCredentials(turn.turn_shared_secret, `${goodUntil}:${userId}`)
    }
    if (turn.turn_username === '' || turn.turn_password === '') return undefined
    return { username: turn.turn_username, password: turn.turn_password }
  }

  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/voip/turnServer',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      async handler({ user }) {
        const given = turn.turn_uris.length === 0 ? undefined : credentials(user.userId)
        // What clients know as "there is no relay".
        if (given === undefined) return {}
        return { ...given, uris: turn.turn_uris, ttl }
      },
    }),
  ]
}

/** What coturn calls `static-auth-secret`: the name says until when it is good, the password proves the name. */
function sharedSecretCredentials(secret: string, username: string): { username: string; password: string } {
  return { username, password: createHmac('sha1', secret).update(username).digest('base64') }
}
