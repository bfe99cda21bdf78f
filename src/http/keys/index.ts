import type { RouteDeps } from '../deps.js'
import type { Route } from '../route.js'
import { keyQueryRoutes } from './query.js'
import { serverKeyRoutes } from './server.js'

/** Keys of this server, and as a notary those of others. */
export function keyRoutes(deps: Pick<RouteDeps, 'federationclient'>): Route[] {
  return [...serverKeyRoutes(deps), ...keyQueryRoutes(deps)]
}
