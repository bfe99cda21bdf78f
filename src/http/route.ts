import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Requester } from '../components/userapi/index.js'
import type { ServerName } from '../protocol/ids.js'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/**
 * Who may call: `none`; `user` (any account but guests); `guest` (guests too); `optional` (a token is looked at when it is
 * there); `admin` (account type admin); `server` (another homeserver, by its signature: `request.origin`). A locked account is
 * refused everywhere but on logout.
 */
export type RouteAuth = 'none' | 'user' | 'guest' | 'optional' | 'admin' | 'server'

/** What a handler is given. Everything has passed the schemas of its route. */
export interface RouteRequest<Params, Query, Body, User, Origin = undefined> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The body's bytes as received, for what is stored as it came. */
  readonly rawBody: string
  readonly user: User
  /** The server whose signature is on the request, where the route asks for one. */
  readonly origin: Origin
  /** After `trusted_proxies` and `real_ip_header`. */
  readonly clientAddress: string
  readonly userAgent: string | undefined
  /** Aborts when the client goes away or the server stops. */
  readonly signal: AbortSignal
  /** The route's path template and its method, for transaction ids. */
  readonly path: string
  /** For user-interactive auth and the like: the raw request's headers, lower-case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A body that is taken from the connection as fast as it is read: what nobody reads stays with the client. */
export interface BodyStream {
  /** What the client has announced; undefined when it sends chunks. */
  readonly length: number | undefined
  /** Fails when the client goes away or stalls. Its reader leaves it open: the answer goes the same way. */
  readonly stream: Readable
}

/** An answer that is read while it is sent, at the pace of the client. */
export interface StreamedBody {
  readonly length: number
  readonly stream: Readable
}

/** JSON that is text already (an answer of `/sync`), an HTML page, a redirect, a file, or another status than 200. */
export class Reply {
  readonly status: number
  readonly body: string | Buffer | StreamedBody
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>

  constructor(reply: {
    status?: number
    body: string | Buffer | StreamedBody
    contentType?: string
    headers?: Record<string, string>
  }) {
    this.status = reply.status ?? 200
    this.body = reply.body
    this.contentType = reply.contentType ?? 'application/json'
    this.headers = reply.headers ?? {}
  }
}

type Output<Schema> = Schema extends z.ZodType
  ? z.output<Schema>
  : Schema extends 'stream'
    ? BodyStream
    : Record<string, never>
type OriginOf<Auth extends RouteAuth> = Auth extends 'server' ? ServerName : undefined
type UserOf<Auth extends RouteAuth> = Auth extends 'none' | 'server'
  ? undefined
  : Auth extends 'optional'
    ? Requester | undefined
    : Requester

export interface RouteSpec<
  Params extends z.ZodType | undefined,
  Query extends z.ZodType | undefined,
  Body extends z.ZodType | 'stream' | undefined,
  Auth extends RouteAuth,
> {
  readonly method: Method
  /** As the specification writes it: `/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`. */
  readonly path: string
  /** Other versions under which it is served: `['r0']` replaces the `v3` of the path. */
  readonly versions?: readonly string[]
  readonly auth: Auth
  /** Bucket of the rate limiter (SECURITY 2.2 where Dendrite's one bucket is not enough); false: none. */
  readonly rateLimit?: 'client' | 'login' | 'register' | false
  readonly params?: Params
  readonly query?: Query
  /** Absent: no body is read. `stream`: the handler reads it, unparsed. Zod sees what `protocol/json` parsed. */
  readonly body?: Body
  /** Event content and account data are checked elsewhere: numbers that JSON.parse would change stay as they came. */
  readonly handler: (
    request: RouteRequest<Output<Params>, Output<Query>, Output<Body>, UserOf<Auth>, OriginOf<Auth>>,
  ) => Promise<object | Reply>
}

/** A route whose types have been checked where it is declared. */
export interface Route {
  readonly method: Method
  readonly path: string
  readonly versions?: readonly string[]
  readonly auth: RouteAuth
  readonly rateLimit?: 'client' | 'login' | 'register' | false
  readonly params?: z.ZodType | undefined
  readonly query?: z.ZodType | undefined
  readonly body?: z.ZodType | 'stream' | undefined
  readonly handler: (request: RouteRequest<never, never, never, never, never>) => Promise<object | Reply>
}

export function route<
  Params extends z.ZodType | undefined = undefined,
  Query extends z.ZodType | undefined = undefined,
  Body extends z.ZodType | 'stream' | undefined = undefined,
  Auth extends RouteAuth = RouteAuth,
>(spec: RouteSpec<Params, Query, Body, Auth>): Route {
  return spec as Route
}
