import { connect } from 'node:net'
import { createRateLimits } from '../../src/http/rate-limit.js'
import type { Route } from '../../src/http/route.js'
import { createHttp, type Http, type HttpOptions } from '../../src/http/server.js'
import { openLog } from '../../src/platform/log.js'
import { systemClock } from '../../src/platform/time.js'

export interface HttpAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever has been answered
  readonly body: any
  readonly headers: Headers
}

/** A small client: JSON bodies, a token where one is given. */
export interface HttpClient {
  readonly url: string
  request(method: string, path: string, options?: RequestOptions): Promise<HttpAnswer>
  get(path: string, token?: string): Promise<HttpAnswer>
  post(path: string, body?: unknown, token?: string): Promise<HttpAnswer>
  put(path: string, body?: unknown, token?: string): Promise<HttpAnswer>
  delete(path: string, body?: unknown, token?: string): Promise<HttpAnswer>
}

export interface RequestOptions {
  /** Text and bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown
  readonly token?: string | undefined
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

export function httpClient(url: string): HttpClient {
  const request = async (method: string, path: string, options: RequestOptions = {}): Promise<HttpAnswer> => {
    const { body, token, headers, signal } = options
    const isRaw = typeof body === 'string' || body instanceof Uint8Array
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return { status: response.status, body: isJson && text !== '' ? JSON.parse(text) : text, headers: response.headers }
  }
  return {
    url,
    request,
    get: (path, token) => request('GET', path, { token }),
    post: (path, body = {}, token) => request('POST', path, { body, token }),
    put: (path, body = {}, token) => request('PUT', path, { body, token }),
    delete: (path, body, token) => request('DELETE', path, { body, token }),
  }
}

export interface TestHttp {
  readonly http: Http
  readonly client: HttpClient
  readonly port: number
  close(): Promise<void>
}

/** Routes on a free port of this machine, without a whole server behind them. Nobody has a valid token by default. */
export async function startTestHttp(
  routes: readonly Route[],
  options: Partial<Omit<HttpOptions, 'routes'>> = {},
): Promise<TestHttp> {
  const time = options.time ?? systemClock
  const http = createHttp({
    userapi: { requester: async () => undefined, seen: () => undefined },
    limits: createRateLimits({ enabled: false, threshold: 5, cooloff_ms: 500, exempt_user_ids: [] }, time),
    clientAddress: { trustedProxies: [], realIpHeader: '' },
    log: openLog([{ type: 'std', level: 'fatal' }]),
    ...options,
    time,
    routes,
  })
  const bound = await http.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  if (!('port' in bound)) throw new Error('not bound to a port')
  return { http, client: httpClient(`http://127.0.0.1:${bound.port}`), port: bound.port, close: () => http.close() }
}

/** Sends bytes on a connection of its own and returns all that comes back until the server ends it (or `ms` are over). */
export function rawExchange(port: number, bytes: string | Buffer, ms = 5_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let received = ''
    const finish = () => {
      socket.destroy()
      resolve(received)
    }
    socket.setTimeout(ms, finish)
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
    })
    socket.on('end', finish)
    socket.on('error', finish)
    socket.on('close', () => resolve(received))
  })
}
