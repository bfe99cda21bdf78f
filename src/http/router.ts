import type { IncomingMessage, ServerResponse } from 'node:http'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Method, Route } from './route.js'

export interface Match {
  readonly route: Route
  /** Decoded once; without a prototype. */
  readonly params: Record<string, string>
}

export type Found = Match | 'unknown-path' | 'wrong-method' | 'bad-encoding'

/** Gets every request, with what is at its path. */
export type Taker = (request: IncomingMessage, response: ServerResponse, found: Found) => void

export interface Router {
  /** Before the first request. Throws when two routes have the same method and path. */
  ready(): Promise<void>
  handle(request: IncomingMessage, response: ServerResponse): void
}

/** A percent-encoded id of 255 bytes, and room to refuse longer ones as what they are. */
const LONGEST_PARAMETER = 4_096
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH'] as const

/**
 * Fastify finds the route, and that is where its part ends: parameters, bodies and errors follow the specification to the
 * letter (`exchange.ts`), which its own parsing of them does not.
 *
 * A path is compared as it was sent, whole segment by whole segment: none is skipped, merged, normalised or decoded to
 * match. `//`, `/../`, a trailing slash, further segments or an encoded letter of a literal one are unknown paths, so
 * that what a reverse proxy has allowed is what is served.
 */
export function createRouter(routes: readonly Route[], take: Taker): Router {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_PARAMETER, querystringParser: () => ({}) },
    frameworkErrors: (_error, request, reply) => pass(request, reply, 'bad-encoding'),
  })
  const pass = (request: FastifyRequest, reply: FastifyReply, found: Found): void => {
    reply.hijack()
    take(request.raw, reply.raw, found)
  }
  const served = new Map<string, Set<string>>()
  const add = (methods: readonly string[], path: string, find: (segments: readonly string[]) => Found): void => {
    app.route({
      method: [...methods],
      url: path.replace(/\{(\w+)\}/g, ':$1'),
      onRequest: (request, reply) => pass(request, reply, find(segmentsOf(request.raw.url ?? ''))),
      handler: () => undefined,
    })
  }
  for (const route of routes) {
    for (const path of pathsOf(route)) {
      const template = path.split('/')
      const methods = methodsOf(route.method)
      add(methods, path, (segments) => matched(route, template, segments))
      served.set(path, new Set([...(served.get(path) ?? []), ...methods]))
    }
  }
  for (const [path, methods] of served) {
    const template = path.split('/')
    const others = METHODS.filter((method) => !methods.has(method))
    if (others.length > 0) add(others, path, (segments) => (fits(template, segments) ? 'wrong-method' : 'unknown-path'))
  }
  app.setNotFoundHandler((request, reply) => pass(request, reply, 'unknown-path'))
  return {
    ready: async () => {
      await app.ready()
    },
    handle: (request, response) => app.routing(request, response),
  }
}

/** HEAD is answered like GET. */
function methodsOf(method: Method): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method]
}

/** The path under every version it is served as. */
export function pathsOf(route: Pick<Route, 'path' | 'versions'>): string[] {
  const others = (route.versions ?? []).map((version) => route.path.replace(/\/v\d+\//, `/${version}/`))
  return [route.path, ...others]
}

function segmentsOf(url: string): string[] {
  const end = url.indexOf('?')
  return (end === -1 ? url : url.slice(0, end)).split('/')
}

function fits(template: readonly string[], segments: readonly string[]): boolean {
  return (
    segments.length === template.length &&
    template.every((part, index) => (part.startsWith('{') ? isValue(segments[index] ?? '') : segments[index] === part))
  )
}

/** No id is empty or a dot segment: proxies resolve those, encoded or not. */
function isValue(segment: string): boolean {
  return segment !== '' && !/^(\.|%2e){1,2}$/i.test(segment)
}

function matched(route: Route, template: readonly string[], segments: readonly string[]): Found {
  if (!fits(template, segments)) return 'unknown-path'
  const params: Record<string, string> = Object.create(null)
  for (const [index, part] of template.entries()) {
    if (!part.startsWith('{')) continue
    const value = decode(segments[index] ?? '')
    if (value === undefined) return 'bad-encoding'
    params[part.slice(1, -1)] = value
  }
  return { route, params }
}

/** Once only: `%252F` is the text `%2F`. Undefined for what is not UTF-8 in percent-encoding. */
function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
