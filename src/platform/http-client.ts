/**
 * Every outbound HTTP request: addresses checked where they are connected to, one deadline for all of a request, a cap on
 * what is read, redirects that are checked like the first address. Statuses are the caller's to judge; what is thrown
 * is always an OutboundFailure.
 */
import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import type { NetworkPolicy } from './denied-networks.js'
import { type ProxyAddress, tunnel } from './proxy-tunnel.js'

export type OutboundReason =
  /** The address is in a denied network, or the scheme is not http(s). */
  | 'denied'
  /** No answer in time: connecting, waiting or reading. */
  | 'timeout'
  /** More bytes than allowed. */
  | 'too-large'
  /** Name, connection, TLS or protocol. */
  | 'unreachable'
  | 'too-many-redirects'
  | 'aborted'

export class OutboundFailure extends Error {
  override name = 'OutboundFailure'
  readonly reason: OutboundReason
  /** No connection came about, so nothing has been sent: another address may be tried. */
  readonly beforeSending: boolean
  /** The system's or the TLS library's, as undici looks for it. */
  readonly code: string | undefined

  constructor(
    reason: OutboundReason,
    message: string,
    options: ErrorOptions & { readonly beforeSending?: boolean; readonly code?: string | undefined } = {},
  ) {
    super(message, options)
    this.reason = reason
    this.beforeSending = options.beforeSending ?? false
    this.code = options.code
  }
}

export interface OutboundRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD'
  readonly url: string
  /** A `host` header names the server of TLS as well, when the URL holds another address (federation's delegation). */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** For the whole of it, redirects and body included. */
  readonly deadlineMs: number
  readonly maxBytes: number
  /** 0: a redirect is an answer like any other. */
  readonly maxRedirects?: number
  /** A redirect to plain http is refused. */
  readonly httpsOnly?: boolean
  readonly signal?: AbortSignal
}

export interface OutboundAnswer {
  readonly status: number
  /** Names in lower case; repeated ones joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  /** Where it came from after redirects. */
  readonly url: string
}

export interface OutboundBody extends OutboundAnswer {
  readonly body: Buffer
}

export interface OutboundStream extends OutboundAnswer {
  /** Throws OutboundFailure past the cap or the deadline. Must be read to its end, or ended early (`return`). */
  readonly body: AsyncIterable<Buffer>
}

export interface HttpClient {
  request(request: OutboundRequest): Promise<OutboundBody>
  stream(request: OutboundRequest): Promise<OutboundStream>
  close(): Promise<void>
}

export interface HttpClientOptions {
  readonly policy: NetworkPolicy
  readonly userAgent: string
  /** False accepts any certificate: `federation_api.disable_tls_validation`. */
  readonly verifyCertificates?: boolean
  /** The certificate authorities to believe, in PEM, instead of those that Node comes with. */
  readonly certificateAuthorities?: readonly string[]
  readonly keepAlive?: boolean
  /** How names become addresses; the system's resolver by default. */
  readonly lookup?: LookupFunction
  /** An HTTP proxy that tunnels (CONNECT). It resolves the names; what it may reach is its own to say. */
  readonly proxy?: ProxyAddress
}

const CONNECT_TIMEOUT_MS = 10_000
/** Of several addresses of a name each has so long before the next is tried as well. */
const NEXT_ADDRESS_MS = 1_000
const IDLE_CONNECTION_MS = 30_000
const CONNECTIONS_PER_HOST = 8
const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Not for another origin to see. */
const CREDENTIALS = ['authorization', 'cookie', 'host']

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const agent = new Agent({
    connect: checkedConnector(options),
    connections: CONNECTIONS_PER_HOST,
    pipelining: options.keepAlive === false ? 0 : 1,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    keepAliveMaxTimeout: IDLE_CONNECTION_MS,
    maxHeaderSize: 32_768,
    // One deadline over all is set per request.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const stream = (request: OutboundRequest) => follow(agent, options, request)
  return {
    stream,
    async request(request) {
      const { body, ...answer } = await stream(request)
      const chunks: Buffer[] = []
      for await (const chunk of body) chunks.push(chunk)
      return { ...answer, body: Buffer.concat(chunks) }
    },
    close: () => agent.destroy(),
  }
}

/** A literal address is checked before connecting, a name's addresses when they are resolved, and the socket's once more. */
function checkedConnector(options: HttpClientOptions): buildConnector.connector {
  const { policy, proxy } = options
  const refusal = (host: string) =>
    new OutboundFailure('denied', `${host} is in a network that is not to be reached`, { beforeSending: true })
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    rejectUnauthorized: options.verifyCertificates !== false,
    // Made once: reading the authorities takes longer than the handshake that needs them.
    ...(options.certificateAuthorities === undefined
      ? {}
      : { secureContext: createSecureContext({ ca: [...options.certificateAuthorities] }) }),
    lookup: checkedLookup(options.lookup ?? (systemLookup as LookupFunction), policy),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    keepAlive: true,
  } as buildConnector.BuildOptions)
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0 && policy.isDenied(host)) return callback(refusal(host), null)
    const connected: buildConnector.Callback = (...[error, socket]) => {
      if (error !== null) return callback(connectionFailure(host, error), null)
      if (proxy === undefined && isDeniedPeer(socket, policy)) {
        socket.destroy()
        return callback(refusal(host), null)
      }
      callback(null, socket)
    }
    if (proxy === undefined) return connect(target, connected)
    const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80))
    tunnel(proxy, { host: target.hostname, port, timeoutMs: CONNECT_TIMEOUT_MS }).then(
      (socket) => {
        if (target.protocol === 'https:') connect({ ...target, httpSocket: socket }, connected)
        else callback(null, socket)
      },
      (error: Error) => callback(connectionFailure(host, error), null),
    )
  }
}

function connectionFailure(host: string, error: Error): OutboundFailure {
  if (error instanceof OutboundFailure) return error
  const code: unknown = Reflect.get(error, 'code')
  const reason = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT' ? 'timeout' : 'unreachable'
  return new OutboundFailure(reason, `${host}: ${error.message || String(code)}`, {
    cause: error,
    beforeSending: true,
    code: typeof code === 'string' ? code : undefined,
  })
}

function isDeniedPeer(socket: Socket, policy: NetworkPolicy): boolean {
  return socket.remoteAddress === undefined || policy.isDenied(socket.remoteAddress)
}

/** Leaves out denied addresses, so that a name with a public and a private one is reached at the public one only. */
function checkedLookup(lookup: LookupFunction, policy: NetworkPolicy): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '', 0)
      const addresses = (Array.isArray(found) ? found : []).filter(({ address }) => !policy.isDenied(address))
      const [first] = addresses
      if (first === undefined) {
        const refusal = new OutboundFailure('denied', `${hostname} has no address that may be reached`, {
          beforeSending: true,
        })
        return callback(refusal, '', 0)
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

async function follow(agent: Agent, options: HttpClientOptions, request: OutboundRequest): Promise<OutboundStream> {
  const deadline = AbortSignal.timeout(request.deadlineMs)
  const signal = request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal])
  const fail = (error: unknown) => failureOf(error, request, deadline)
  let url = parseUrl(request.url)
  let headers: Record<string, string> = { 'user-agent': options.userAgent, ...lowerCased(request.headers ?? {}) }
  let { method = 'GET', body } = request
  for (let redirects = 0; ; redirects++) {
    let answer: Dispatcher.ResponseData
    try {
      answer = await orAborted(
        signal,
        agent.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers,
          signal,
          ...(body === undefined ? {} : { body: typeof body === 'string' ? body : Buffer.from(body) }),
        }),
      )
    } catch (error) {
      throw fail(error)
    }
    const location = REDIRECTS.has(answer.statusCode) ? single(answer.headers.location) : undefined
    if (location === undefined || (request.maxRedirects ?? 0) === 0) return answerOf(answer, url, request, fail)
    // Its body is of no use; an error in it neither.
    answer.body.on('error', () => undefined).destroy()
    if (redirects >= (request.maxRedirects ?? 0)) {
      throw new OutboundFailure('too-many-redirects', `${request.url} redirects too often`)
    }
    const next = parseUrl(location, url)
    if (request.httpsOnly === true && next.protocol !== 'https:') {
      throw new OutboundFailure('denied', `${request.url} redirects to plain http`)
    }
    if (next.origin !== url.origin) headers = without(headers, CREDENTIALS)
    if (answer.statusCode === 303 || (answer.statusCode <= 302 && method === 'POST')) {
      method = 'GET'
      body = undefined
      headers = without(headers, ['content-type', 'content-length'])
    }
    url = next
  }
}

/** undici looks at the signal only once there is a connection; then it ends a request that nobody waits for any more. */
function orAborted<T>(signal: AbortSignal, request: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    request.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function parseUrl(text: string, base?: URL): URL {
  let url: URL
  try {
    url = new URL(text, base)
  } catch (error) {
    throw new OutboundFailure('denied', 'not a URL', { cause: error })
  }
  if (url.protocol === 'https:' || url.protocol === 'http:') return url
  throw new OutboundFailure('denied', `${url.protocol} is not http`)
}

function answerOf(
  answer: Dispatcher.ResponseData,
  url: URL,
  request: OutboundRequest,
  fail: (error: unknown) => OutboundFailure,
): OutboundStream {
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) headers.set(name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value)
  }
  // Nobody may be reading when the deadline ends it.
  answer.body.on('error', () => undefined)
  return { status: answer.statusCode, headers, url: url.href, body: capped(answer.body, headers, request, fail) }
}

async function* capped(
  body: Dispatcher.ResponseData['body'],
  headers: ReadonlyMap<string, string>,
  request: OutboundRequest,
  fail: (error: unknown) => OutboundFailure,
): AsyncGenerator<Buffer> {
  const tooLarge = () => new OutboundFailure('too-large', `${request.url} answers more than ${request.maxBytes} bytes`)
  try {
    if (Number(headers.get('content-length') ?? 0) > request.maxBytes) throw tooLarge()
    let bytes = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > request.maxBytes) throw tooLarge()
      yield chunk
    }
  } catch (error) {
    throw fail(error)
  } finally {
    body.destroy()
  }
}

function failureOf(error: unknown, request: OutboundRequest, deadline: AbortSignal): OutboundFailure {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof OutboundFailure) return at
  const options = { cause: error }
  if (deadline.aborted) return new OutboundFailure('timeout', `${request.url}: no answer in time`, options)
  if (request.signal?.aborted === true) return new OutboundFailure('aborted', `${request.url}: given up`, options)
  const text = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
  const reason = code === 'UND_ERR_CONNECT_TIMEOUT' ? 'timeout' : 'unreachable'
  return new OutboundFailure(reason, `${request.url}: ${text}`, options)
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function without(headers: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}
