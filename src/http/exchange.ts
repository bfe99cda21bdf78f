import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Requester, UserApi } from '../components/userapi/index.js'
import type { Log } from '../platform/log.js'
import type { Clock } from '../platform/time.js'
import type { ServerName } from '../protocol/ids.js'
import { type JsonObject, stringifyJson } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import type { ServerSignatures } from './auth/server-signature.js'
import { authenticate, tokenOf } from './auth/user-token.js'
import { discardBody, RequestAborted, readBody, watchBody } from './body.js'
import type { ClientAddresses } from './client-address.js'
import { CORS_HEADERS } from './cors.js'
import { errorReply } from './error-handler.js'
import type { RateLimits } from './rate-limit.js'
import { type BodyStream, Reply, type Route, type RouteRequest, type StreamedBody } from './route.js'
import type { Found, Match } from './router.js'
import { validBody, validParams, validQuery } from './validate.js'

export interface ExchangeDeps {
  readonly userapi: Pick<UserApi, 'requester' | 'seen'>
  /** Who is asked about requests of other servers; absent: no route wants to know. */
  readonly serverSignatures?: ServerSignatures | undefined
  readonly limits: RateLimits
  readonly addresses: ClientAddresses
  readonly time: Clock
  readonly log: Log
  readonly bounds: {
    readonly maxBodyBytes: number
    readonly requestTimeoutMs: number
    readonly stallTimeoutMs: number
  }
}

export interface Incoming {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What is at the request's path. */
  readonly found: Found
  /** The connection's other end; undefined on a Unix socket. */
  readonly peer: string | undefined
  /** For the log. */
  readonly id: string
}

const EMPTY_BODY = Buffer.alloc(0)
const NOT_MODIFIED = 304
const EMPTY_QUERY: Readonly<Record<string, string | string[]>> = Object.freeze(Object.create(null))

/** One request and its answer. */
export class Exchange {
  readonly #deps: ExchangeDeps
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #found: Found
  readonly #peer: string | undefined
  readonly #id: string
  readonly #path: string
  /** Made for a handler that asks for its signal: few do. */
  #controller: AbortController | undefined
  #aborted = false
  #requester: Requester | undefined
  #clientAddress = ''
  /** The handler reads the body. */
  #isUpload = false
  #endWatch: (() => void) | undefined

  constructor(deps: ExchangeDeps, { request, response, found, peer, id }: Incoming) {
    this.#deps = deps
    this.#found = found
    this.#peer = peer
    this.#request = request
    this.#response = response
    this.#id = id
    const url = request.url ?? '/'
    const end = url.indexOf('?')
    this.#path = end === -1 ? url : url.slice(0, end)
  }

  /** The server stops or the client has gone: whatever waits answers now. */
  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }

  #signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  /** Ends when the answer has been handed to the connection. Never rejects. `closing`: it is the connection's last one. */
  async run(closing: () => boolean): Promise<void> {
    const { time, log } = this.#deps
    const since = time.monotonic()
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) this.abort()
    })
    let reply: Reply
    try {
      reply = await this.#answer()
    } catch (error) {
      if (error instanceof RequestAborted || this.#response.destroyed) return
      reply = errorReply(error, { id: this.#id, path: this.#path }, log)
      if (this.#isUpload && this.#requester !== undefined) await discardBody(this.#request, time)
    } finally {
      this.#endWatch?.()
    }
    await this.#write(reply, closing())
    log.debug(
      {
        request: this.#id,
        method: this.#request.method,
        // Without the query, in which old clients put their token.
        path: this.#path,
        status: reply.status,
        ms: Math.round(time.monotonic() - since),
        user: this.#requester?.userId,
        address: this.#clientAddress,
      },
      'request',
    )
  }

  /** In this order: path, who, how often, then only the body is read and looked at. */
  async #answer(): Promise<Reply> {
    const { userapi, limits, addresses } = this.#deps
    const { method = '', headers } = this.#request
    // A preflight carries no token and is about a path, not about what the path does.
    if (method === 'OPTIONS') return new Reply({ body: '{}' })
    const { route, params } = found(this.#found)
    this.#isUpload = route.body === 'stream'
    this.#clientAddress = addresses.of(this.#peer, headers)
    const query = this.#query()
    const requester = await authenticate(userapi, route, tokenOf(headers, query))
    this.#requester = requester
    if (requester !== undefined) userapi.seen(requester, this.#clientAddress, headers['user-agent'])
    if (route.rateLimit !== undefined && route.rateLimit !== false) {
      limits.check(route.rateLimit, requester, this.#clientAddress)
    }
    const validatedParams = validParams(route, params)
    const validatedQuery = validQuery(route, query)
    const claims = route.auth === 'server' ? this.#serverSignatures().claimsOf(headers.authorization) : undefined
    // What a server has signed includes a body that the route does not want.
    const wantsBody = route.body !== undefined || claims !== undefined
    const bytes = !wantsBody || this.#isUpload ? EMPTY_BODY : await this.#readBody()
    const origin =
      claims && (await this.#serverSignatures().verify(claims, { method, uri: this.#request.url ?? '', body: bytes }))
    const signal = () => this.#signal()
    const request: RouteRequest<unknown, unknown, unknown, Requester | undefined, ServerName | undefined> = {
      params: validatedParams,
      query: validatedQuery,
      body: this.#isUpload ? this.#streamedBody() : validBody(route, bytes),
      // Decoded where it is asked for: few routes do.
      get rawBody() {
        return bytes.toString('utf8')
      },
      user: requester,
      origin,
      clientAddress: this.#clientAddress,
      userAgent: headers['user-agent'],
      get signal() {
        return signal()
      },
      path: `${route.method} ${route.path}`,
      headers,
    }
    const result = await handlerOf(route)(request)
    return result instanceof Reply ? result : new Reply({ body: stringifyJson(result as JsonObject) })
  }

  #serverSignatures(): ServerSignatures {
    const { serverSignatures } = this.#deps
    if (serverSignatures === undefined) throw new Error('a route for servers, and nobody who knows their keys')
    return serverSignatures
  }

  #readBody(): Promise<Buffer> {
    const { time, bounds } = this.#deps
    return readBody(this.#request, bounds.maxBodyBytes, time, bounds.requestTimeoutMs)
  }

  #streamedBody(): BodyStream {
    const request = this.#request
    this.#endWatch = watchBody(request, this.#deps.time, this.#deps.bounds.stallTimeoutMs)
    const length = request.headers['content-length']
    const isChunked = request.headers['transfer-encoding'] !== undefined
    return { length: isChunked ? undefined : Number(length ?? 0), stream: request }
  }

  #query(): Readonly<Record<string, string | string[]>> {
    const url = this.#request.url ?? ''
    if (url.length === this.#path.length) return EMPTY_QUERY
    const query: Record<string, string | string[]> = Object.create(null)
    for (const [name, value] of new URLSearchParams(url.slice(this.#path.length + 1))) {
      const known = query[name]
      query[name] = known === undefined ? value : Array.isArray(known) ? [...known, value] : [known, value]
    }
    return query
  }

  async #write(reply: Reply, isLast: boolean): Promise<void> {
    const response = this.#response
    const { body } = reply
    const streamed = typeof body === 'string' || Buffer.isBuffer(body) ? undefined : body
    if (response.destroyed) {
      streamed?.stream.destroy()
      return
    }
    const payload = typeof body === 'string' ? Buffer.from(body) : body
    const headers = [...CORS_HEADERS]
    // The headers of a 304 are those of the answer that the client has already.
    if (reply.status !== NOT_MODIFIED) {
      headers.push('Content-Type', reply.contentType, 'Content-Length', String(payload.length))
    }
    for (const [name, value] of Object.entries(reply.headers)) headers.push(name, value)
    // A body that nobody has read must not be taken for the next request, nor be waited for.
    if (isLast || !this.#request.complete) headers.push('Connection', 'close')
    response.writeHead(reply.status, headers)
    if (Buffer.isBuffer(payload)) response.end(payload)
    else await this.#stream(payload)
  }

  /** Waits for the client: no more is read than it takes. What fails under way ends the connection. */
  async #stream({ stream }: StreamedBody): Promise<void> {
    if (this.#request.method === 'HEAD') {
      stream.destroy()
      this.#response.end()
      return
    }
    try {
      await pipeline(stream, this.#response)
    } catch (error) {
      if (this.#aborted) return
      this.#deps.log.warn({ err: error, request: this.#id, path: this.#path }, 'an answer could not be sent to its end')
    }
  }
}

type Handler = (
  request: RouteRequest<unknown, unknown, unknown, Requester | undefined, ServerName | undefined>,
) => Promise<object | Reply>

/** Where a route is declared its handler's types follow from its schemas, which have just been applied. */
function handlerOf(route: Route): Handler {
  return route.handler as unknown as Handler
}

function found(match: Found): Match {
  switch (match) {
    case 'unknown-path':
      throw new MatrixError('M_UNRECOGNIZED', 'There is nothing at this path')
    case 'wrong-method':
      throw new MatrixError('M_UNRECOGNIZED', 'This path has no such method', { status: 405 })
    case 'bad-encoding':
      throw new MatrixError('M_INVALID_PARAM', 'The path is not in valid percent-encoding')
    default:
      return match
  }
}
