import { htmlPage } from './page.js'
import { Reply, type Route, route } from './route.js'

const BODY = `<p>This is a Matrix homeserver. To use it, enter its address in a <a href="https://matrix.org/ecosystem/clients/">Matrix client</a>.</p>`

/** What people see who open the server in a browser. */
export function staticRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      path: '/',
      auth: 'none',
      handler: async () => new Reply({ status: 302, body: '', headers: { Location: '/_matrix/static/' } }),
    }),
    route({
      method: 'GET',
      path: '/_matrix/static/',
      auth: 'none',
      handler: async () => htmlPage({ title: 'Neurite is running', body: `<p>It works!</p>\n${BODY}` }),
    }),
  ]
}
