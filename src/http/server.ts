import { chmod, lstat, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { UserApi } from '../components/userapi/index.js'
import type { Log } from '../platform/log.js'
import type { Clock } from '../platform/time.js'
import type { ServerSignatures } from './auth/server-signature.js'
import { ClientAddresses, type ClientAddressOptions } from './client-address.js'
import { Connections } from './connections.js'
import { CORS_HEADERS } from './cors.js'
import { Exchange, type ExchangeDeps } from './exchange.js'
import type { RateLimits } from './rate-limit.js'
import type { Route } from './route.js'
import { createRouter, type Found, type Router } from './router.js'

export type Listener =
  | {
      readonly kind: 'tcp'
      readonly host: string
      /** 0: any free one. */
      readonly port: number
      /** PEM texts; absent: plain HTTP. */
      readonly tls?: { readonly cert: string; readonly key: string }
    }
  | {
      readonly kind: 'unix'
      readonly path: string
      /** Permissions of the socket, such as 0o755. */
      readonly mode?: number
    }

export interface Http {
  /** Serves on one more address. Returns the address and port really bound, or the socket's path. */
  listen(listener: Listener): Promise<{ readonly host: string; readonly port: number } | { readonly path: string }>
  /**
   * No new connections; long polls are answered at once; what is under way may finish until `graceMs` are over, then it is
   * cut. Once only.
   */
  close(graceMs?: number): Promise<void>
  /** Requests that are being answered. */
  readonly inFlight: number
}

/** Bounds of what strangers can tie up. */
export interface HttpBounds {
  readonly maxBodyBytes: number
  readonly maxConnections: number
  /** Of one address that is neither this machine's nor a trusted proxy's. */
  readonly maxConnectionsPerAddress: number
  /** Until the last byte of a request's headers. */
  readonly headersTimeoutMs: number
  /** Until the last byte of its body, where that is read as a whole. */
  readonly requestTimeoutMs: number
  /** A body that is taken as a stream may last, but in each span of this length something of it has to come. */
  readonly stallTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** A client that takes nothing of its answer for so long is cut. */
  readonly writeTimeoutMs: number
}

export interface HttpOptions {
  readonly routes: readonly Route[]
  readonly userapi: Pick<UserApi, 'requester' | 'seen'>
  /** For routes that other servers call. */
  readonly serverSignatures?: ServerSignatures | undefined
  readonly limits: RateLimits
  readonly clientAddress: ClientAddressOptions
  readonly time: Clock
  readonly log: Log
  readonly bounds?: Partial<HttpBounds>
}

export const DEFAULT_BOUNDS: HttpBounds = {
  maxBodyBytes: 13_107_200,
  maxConnections: 16_384,
  maxConnectionsPerAddress: 1_000,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 300_000,
  stallTimeoutMs: 30_000,
  // Longer than reverse proxies keep their idle connections, so that none sends into one we are closing.
  keepAliveTimeoutMs: 75_000,
  writeTimeoutMs: 120_000,
}

const CLOSE_GRACE_MS = 4_000
const HANDSHAKE_MS = 10_000
/** How often Node looks for requests that are late. */
const LATE_CHECK_MS = 2_000

/**
 * The HTTP server: Fastify's routing behind Node's strict parser, which refuses what two parsers could read in two ways
 * (two lengths, a length and chunks, bad chunks). Body and errors are ours to the letter of the specification.
 */
export function createHttp(options: HttpOptions): Http {
  return new NodeHttp(options)
}

class NodeHttp implements Http {
  readonly #deps: ExchangeDeps
  readonly #bounds: HttpBounds
  readonly #servers = new Set<Server>()
  readonly #live = new Set<Exchange>()
  readonly #connections: Connections
  readonly #router: Router
  #requests = 0
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(options: HttpOptions) {
    this.#bounds = { ...DEFAULT_BOUNDS, ...options.bounds }
    const { userapi, serverSignatures, limits, time, log } = options
    const addresses = new ClientAddresses(options.clientAddress, log)
    this.#connections = new Connections(
      this.#bounds.maxConnectionsPerAddress,
      (address) => isLoopback(address) || addresses.isTrusted(address),
    )
    this.#router = createRouter(options.routes, (request, response, found) => this.#onRequest(request, response, found))
    this.#deps = {
      userapi,
      serverSignatures,
      limits,
      time,
      log,
      addresses,
      bounds: this.#bounds,
    }
  }

  get inFlight(): number {
    return this.#live.size
  }

  async listen(listener: Listener): Promise<{ host: string; port: number } | { path: string }> {
    await this.#router.ready()
    const server = this.#server(listener)
    if (listener.kind === 'unix') await removeStaleSocket(listener.path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(
        listener.kind === 'unix' ? { path: listener.path } : { host: listener.host, port: listener.port },
        () => {
          server.off('error', reject)
          resolve()
        },
      )
    })
    // Out of descriptors: connections wait in the kernel's queue until there is one again.
    server.on('error', (error) => this.#deps.log.warn({ err: error }, 'a connection could not be accepted'))
    this.#servers.add(server)
    if (listener.kind === 'unix') {
      if (listener.mode !== undefined) await chmod(listener.path, listener.mode)
      return { path: listener.path }
    }
    const { address, port } = server.address() as AddressInfo
    return { host: address, port }
  }

  close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closed ??= this.#close(graceMs)
    return this.#closed
  }

  async #close(graceMs: number): Promise<void> {
    const ended = [...this.#servers].map(
      (server) => new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve())),
    )
    this.#connections.destroyIdle()
    for (const exchange of this.#live) exchange.abort()
    const timeUp = new AbortController()
    const cancel = this.#deps.time.after(graceMs, () => timeUp.abort())
    await Promise.race([
      Promise.all(ended),
      new Promise<void>((resolve) => timeUp.signal.addEventListener('abort', () => resolve(), { once: true })),
    ])
    cancel()
    this.#connections.destroyAll()
    await Promise.all(ended)
    if (this.#live.size > 0) await new Promise<void>((resolve) => this.#awaitIdle(resolve))
  }

  /** Handlers whose connection was cut still end by themselves; a moment later they are left behind. */
  #awaitIdle(resolve: () => void): void {
    const cancel = this.#deps.time.after(500, resolve)
    this.#onIdle = () => {
      cancel()
      resolve()
    }
  }

  #server(listener: Listener): Server {
    const { headersTimeoutMs, keepAliveTimeoutMs, maxConnections, writeTimeoutMs } = this.#bounds
    const settings = {
      headersTimeout: headersTimeoutMs,
      // Node's has one length for all requests; how long a body may take depends on the route.
      requestTimeout: 0,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(LATE_CHECK_MS, headersTimeoutMs),
      insecureHTTPParser: false,
    }
    const onRequest = (request: IncomingMessage, response: ServerResponse) => this.#router.handle(request, response)
    const tls = listener.kind === 'tcp' ? listener.tls : undefined
    const server =
      tls === undefined
        ? createServer(settings, onRequest)
        : createTlsServer(
            { ...settings, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS },
            onRequest,
          )
    server.maxConnections = maxConnections
    server.timeout = writeTimeoutMs
    // Without traffic for that long: an idle connection, or a client that does not take its answer. What is still being
    // thought about (a long poll) stays.
    server.on('timeout', (socket: Socket) => {
      if (!this.#connections.isBusy(socket) || socket.writableLength > 0) socket.destroy()
    })
    server.on('connection', (socket: Socket) => this.#connections.accept(socket))
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#connections.track(socket, listener.kind === 'unix')
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => refuse(error, socket))
    return server
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, found: Found): void {
    const begun = this.#connections.begin(request.socket)
    if (begun === false) {
      request.destroy()
      return
    }
    response.once('close', begun.end)
    const id = (++this.#requests).toString(36)
    const exchange = new Exchange(this.#deps, { request, response, found, peer: begun.peer, id })
    this.#live.add(exchange)
    // One that comes in on an open connection while the server stops gets a plain answer, without any waiting.
    if (this.#closed !== undefined) exchange.abort()
    void exchange
      .run(() => this.#closed !== undefined)
      .finally(() => {
        this.#live.delete(exchange)
        if (this.#live.size === 0) this.#onIdle?.()
      })
  }
}

/** What is not HTTP, or came too slowly: the connection gets an answer and ends. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'The headers are too long']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request came too slowly']
        : ['400 Bad Request', 'This is not a valid HTTP request']
  const body = JSON.stringify({ errcode: 'M_UNKNOWN', error: text })
  const headers = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Connection: close']
  for (let at = 0; at < CORS_HEADERS.length; at += 2) headers.push(`${CORS_HEADERS[at]}: ${CORS_HEADERS[at + 1]}`)
  socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}

/** A socket that a killed server has left behind; one that somebody still listens on stays. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() !== true || (await isAnswered(path))) return
  await unlink(path)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
