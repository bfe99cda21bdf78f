import { type Route, route } from '../route.js'

/** SS "Server implementation". */
export function versionRoutes(version: string): Route[] {
  const body = { server: { name: 'Neurite', version } }
  return [route({ method: 'GET', path: '/_matrix/federation/v1/version', auth: 'none', handler: async () => body })]
}
