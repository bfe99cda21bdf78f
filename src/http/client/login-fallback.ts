import { z } from 'zod'
import { type JsonObject, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { readForm } from '../form.js'
import { escapeHtml, htmlPage, jsonForScript } from '../page.js'
import { type Reply, type Route, route } from '../route.js'
import { deviceShape, logIn, loginAnswer, provenUser } from './login.js'

/** Hands the answer of the login to the application that has opened the page. */
const TELL_CLIENT = `var answer = JSON.parse(document.getElementById("answer").textContent);
if (window.matrixLogin && window.matrixLogin.onLogin) window.matrixLogin.onLogin(answer);`

const deviceQuery = z.looseObject({
  device_id: deviceShape.device_id,
  initial_device_display_name: deviceShape.initial_device_display_name,
  refresh_token: z
    .enum(['true', 'false'])
    .optional()
    .transform((text) => (text === undefined ? undefined : text === 'true')),
})

/** CS "Login Fallback": a page that logs in for a client which knows none of the login types. */
export function loginFallbackRoutes(deps: Pick<RouteDeps, 'userapi' | 'userInteractive'>): Route[] {
  const path = '/_matrix/static/client/login/'
  return [
    route({
      method: 'GET',
      path,
      auth: 'none',
      rateLimit: 'client',
      query: deviceQuery,
      handler: async ({ query }) => formPage(query),
    }),
    route({
      method: 'POST',
      path,
      auth: 'none',
      rateLimit: 'login',
      query: deviceQuery,
      body: 'stream',
      async handler(request) {
        const { query, clientAddress } = request
        const form = await readForm(request.body)
        const user = form.get('user') ?? ''
        const proof: JsonObject = { user, password: form.get('password') ?? '' }
        try {
          const userId = await provenUser(deps, 'm.login.password', proof, clientAddress)
          return donePage(loginAnswer(deps.userapi, await logIn(deps.userapi, userId, query, request)))
        } catch (error) {
          // For people, also where a client would get an error.
          if (error instanceof MatrixError) return formPage(query, user, error)
          throw error
        }
      },
    }),
  ]
}

function formPage(query: z.output<typeof deviceQuery>, user = '', error?: MatrixError): Reply {
  const forwarded = new URLSearchParams()
  for (const name of ['device_id', 'initial_device_display_name', 'refresh_token'] as const) {
    const value = query[name]
    if (value !== undefined) forwarded.set(name, String(value))
  }
  return htmlPage({
    status: error?.status ?? 200,
    title: 'Log in',
    body: `${error === undefined ? '' : `<p class="error">${escapeHtml(error.message)}</p>`}
<form method="post" action="?${escapeHtml(forwarded.toString())}">
<label>User name <input name="user" autocomplete="username" value="${escapeHtml(user)}" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Log in</button>
</form>`,
  })
}

function donePage(answer: JsonObject): Reply {
  return htmlPage({
    title: 'Logged in',
    body: `<p>You may now go back to the application.</p>
<script type="application/json" id="answer">${jsonForScript(stringifyJson(answer))}</script>`,
    script: TELL_CLIENT,
  })
}
