import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

/** SS "Publishing Keys". Older servers put the id of a key behind the path; the answer was always all keys. */
export function serverKeyRoutes({ federationclient }: Pick<RouteDeps, 'federationclient'>): Route[] {
  const handler = async (): Promise<object> => federationclient.keys.published()
  return ['/_matrix/key/v2/server', '/_matrix/key/v2/server/{keyId}'].map((path) =>
    route({ method: 'GET', path, auth: 'none', handler }),
  )
}
