import type { RouteDeps } from './deps.js'
import { type Route, route } from './route.js'

/** Where clients and other servers find this one: only what the configuration names, otherwise the paths do not exist. */
export function wellKnownRoutes({ config }: Pick<RouteDeps, 'config'>): Route[] {
  const { well_known_client_name, well_known_server_name, well_known_sliding_sync_proxy } = config.global
  const routes: Route[] = []
  if (well_known_client_name !== '') {
    const client = {
      'm.homeserver': { base_url: well_known_client_name },
      ...(well_known_sliding_sync_proxy === ''
        ? {}
        : { 'org.matrix.msc3575.proxy': { url: well_known_sliding_sync_proxy } }),
    }
    routes.push(route({ method: 'GET', path: '/.well-known/matrix/client', auth: 'none', handler: async () => client }))
  }
  if (well_known_server_name !== '') {
    const server = { 'm.server': well_known_server_name }
    routes.push(route({ method: 'GET', path: '/.well-known/matrix/server', auth: 'none', handler: async () => server }))
  }
  return routes
}
