import { z } from 'zod'
import type { JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { Captcha } from '../auth/captcha.js'
import type { RouteDeps } from '../deps.js'
import { readForm } from '../form.js'
import { escapeHtml, htmlPage } from '../page.js'
import type { Reply, Route } from '../route.js'
import { route } from '../route.js'

type Stage = NonNullable<ReturnType<RouteDeps['userInteractive']['stage']>> & {
  readonly captcha: Captcha | undefined
}

/** What the specification wants to be run when the stage is done ("Fallback"). */
const TELL_CLIENT = `if (window.onAuthDone) {
  window.onAuthDone();
} else if (window.opener && window.opener.postMessage) {
  window.opener.postMessage("authDone", "*");
}`

const params = z.object({ stage: z.string() })
const query = z.looseObject({ session: z.string().max(200) })

/** Pages with which a person goes through a stage that their client does not know. They work without scripts. */
export function authFallbackRoutes({ userInteractive }: Pick<RouteDeps, 'userInteractive'>): Route[] {
  const path = '/_matrix/client/v3/auth/{stage}/fallback/web'
  return [
    route({
      method: 'GET',
      path,
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'client',
      params,
      query,
      async handler(request) {
        const stage = userInteractive.stage(request.query.session, request.params.stage)
        if (stage === undefined) return overPage()
        return stage.done
          ? donePage()
          : formPage(request.params.stage, request.query.session, { ...stage, captcha: userInteractive.captcha })
      },
    }),
    route({
      method: 'POST',
      path,
      versions: ['r0'],
      auth: 'none',
      rateLimit: 'login',
      params,
      query,
      body: 'stream',
      async handler(request) {
        const { session } = request.query
        const name = request.params.stage
        const stage = userInteractive.stage(session, name)
        if (stage === undefined) return overPage()
        const auth = authOf(name, await readForm(request.body), userInteractive.captcha)
        const wrong = await refusal(userInteractive.complete(session, auth, request.clientAddress))
        return wrong === undefined
          ? donePage()
          : formPage(name, session, { ...stage, captcha: userInteractive.captcha }, wrong)
      },
    }),
  ]
}

/** What a client would have sent. */
function authOf(type: string, form: URLSearchParams, captcha: Captcha | undefined): JsonObject {
  if (type === 'm.login.recaptcha') return { type, response: form.get(captcha?.formField ?? '') ?? '' }
  const given = ['user', 'password', 'token'].map((name) => [name, form.get(name) ?? ''] as const)
  return { type, ...Object.fromEntries(given.filter(([, value]) => value !== '')) }
}

/** For people, also where a client would get an error. */
async function refusal(
  outcome: ReturnType<RouteDeps['userInteractive']['complete']>,
): Promise<{ readonly status: number; readonly why: string } | undefined> {
  try {
    const done = await outcome
    return done.passed ? undefined : { status: 401, why: done.why }
  } catch (error) {
    if (error instanceof MatrixError) return { status: error.status, why: error.message }
    throw error
  }
}

function formPage(
  name: string,
  session: string,
  stage: Stage,
  wrong?: { readonly status: number; readonly why: string },
): Reply {
  const action = `?session=${encodeURIComponent(session)}`
  return htmlPage({
    status: wrong?.status ?? 200,
    title: 'Authentication',
    ...(name === 'm.login.recaptcha' && stage.captcha !== undefined ? { sources: captchaSources(stage.captcha) } : {}),
    body: `${wrong === undefined ? '' : `<p class="error">${escapeHtml(wrong.why)}</p>`}
<form method="post" action="${escapeHtml(action)}">
${fields(name, stage)}
<button type="submit">Continue</button>
</form>`,
  })
}

function fields(name: string, stage: Stage): string {
  switch (name) {
    case 'm.login.password':
      return `${
        stage.userId === undefined
          ? '<label>User name <input name="user" autocomplete="username" required></label>'
          : `<p>Please enter the password of ${escapeHtml(stage.userId)}.</p>`
      }
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>`
    case 'm.login.registration_token':
      return '<label>Registration token <input name="token" autocomplete="off" required></label>'
    case 'm.login.recaptcha':
      return stage.captcha === undefined ? '' : captchaElement(stage.captcha)
    default:
      return '<p>Please go on to confirm what you are about to do.</p>'
  }
}

/** Its script puts the answer into the form. */
function captchaElement({ scriptUrl, elementClass, publicKey }: Captcha): string {
  return `<script src="${escapeHtml(scriptUrl)}" async defer></script>
<div class="${escapeHtml(elementClass)}" data-sitekey="${escapeHtml(publicKey)}"></div>`
}

/** Where the two services load the rest of theirs from, beside the host of the script. */
const CAPTCHA_HOSTS = [
  'https://www.google.com',
  'https://www.gstatic.com',
  'https://hcaptcha.com',
  'https://*.hcaptcha.com',
]

function captchaSources({ scriptUrl }: Captcha): string[] {
  return [new URL(scriptUrl).origin, ...CAPTCHA_HOSTS]
}

function donePage(): Reply {
  return htmlPage({
    title: 'Thank you',
    body: '<p>You may now close this window and go back to the application.</p>',
    script: TELL_CLIENT,
  })
}

function overPage(): Reply {
  return htmlPage({
    status: 404,
    title: 'Nothing to do',
    body: '<p>This authentication is over or was never asked for. Please start again in the application.</p>',
  })
}
