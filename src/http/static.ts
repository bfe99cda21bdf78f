import { Reply, type Route, route } from './route.js'

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Neurite is running</title>
<h1>It works!</h1>
<p>This is a Matrix homeserver. To use it, enter its address in a <a href="https://matrix.org/ecosystem/clients/">Matrix client</a>.</p>
</html>
`

/** What every page carries: nothing runs on it, and nobody puts it into a frame. */
export const PAGE_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const

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
      handler: async () => new Reply({ body: PAGE, contentType: 'text/html; charset=utf-8', headers: PAGE_HEADERS }),
    }),
  ]
}
