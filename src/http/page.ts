import { createHash } from 'node:crypto'
import { Reply } from './route.js'

/** A text in a page or in an attribute that stands in quotation marks. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** JSON in a script element that is data: nothing in it ends the element. */
export function jsonForScript(json: string): string {
  return json.replaceAll('<', '\\u003c')
}

export interface Page {
  readonly status?: number
  readonly title: string
  /** HTML; whatever comes from outside has been escaped. */
  readonly body: string
  /** The one script that may run on it: a constant of the program, nothing composed. */
  readonly script?: string
  /** Sources of a content security policy that the page may load scripts and frames from: a captcha's. */
  readonly sources?: readonly string[]
}

/** A page for people. Nothing else runs on it, it loads nothing, and nobody puts it into a frame. */
export function htmlPage({ status = 200, title, body, script, sources = [] }: Page): Reply {
  const hash = script === undefined ? undefined : createHash('sha256').update(script).digest('base64')
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    ...(hash === undefined ? [] : [`script-src 'sha256-${hash}'`]),
    ...(sources.length === 0
      ? []
      : ['script-src', 'frame-src', 'connect-src'].map((of) => `${of} ${sources.join(' ')}`)),
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return new Reply({
    status,
    contentType: 'text/html; charset=utf-8',
    headers: {
      'Content-Security-Policy': policy.join('; '),
      'X-Frame-Options': 'DENY',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-store',
    },
    body: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>body{font-family:sans-serif;max-width:30em;margin:2em auto;padding:0 1em}input,button{font:inherit;margin:.3em 0}label{display:block}.error{color:#b00020}</style>
<h1>${escapeHtml(title)}</h1>
${body}
${script === undefined ? '' : `<script>${script}</script>`}
</html>
`,
  })
}
