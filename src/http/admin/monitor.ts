import type { Database } from '../../platform/database.js'
import type { Loops } from '../../platform/loop.js'
import { statement } from '../../platform/statement.js'
import type { Watchdog } from '../../platform/watchdog.js'
import { Reply, type Route, route } from '../route.js'

export interface MonitorDeps {
  readonly database: Database
  readonly loops: Pick<Loops, 'health'>
  readonly watchdog: Pick<Watchdog, 'healthy' | 'longestBlockMs'>
}

const PING = statement<{ one: number }>('http.monitor.ping', 'SELECT 1 AS one')

/** Dendrite's endpoints for load balancers and supervisors: `up` as long as HTTP is answered, `health` 503 with what is wrong. */
export function monitorRoutes(deps: MonitorDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_dendrite/monitor/up',
      auth: 'none',
      handler: async () => new Reply({ body: '', contentType: 'text/plain' }),
    }),
    route({
      method: 'GET',
      path: '/_dendrite/monitor/health',
      auth: 'none',
      async handler() {
        const warnings = await findWarnings(deps)
        if (warnings.length === 0) return {}
        return new Reply({ status: 503, body: JSON.stringify({ warnings }) })
      },
    }),
  ]
}

/** A line each. They are public: no error's text, which may name hosts, is among them. */
async function findWarnings({ database, loops, watchdog }: MonitorDeps): Promise<string[]> {
  const warnings = loops
    .health()
    .filter((loop) => !loop.healthy)
    .map((loop) => `${loop.name} has failed ${loop.failuresInARow} times in a row`)
  if (!watchdog.healthy) warnings.push('the event loop was blocked a moment ago')
  const answers = await database.run(PING).catch(() => undefined)
  if (answers === undefined) warnings.push('the database does not answer')
  return warnings
}
