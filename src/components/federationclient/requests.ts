import type { HttpClient, OutboundStream } from '../../platform/http-client.js'
import { OutboundFailure } from '../../platform/http-client.js'
import type { Clock } from '../../platform/time.js'
import type { ServerName } from '../../protocol/ids.js'
import {
  canonicalJson,
  FEDERATION_MAX_DEPTH,
  JsonError,
  type JsonObject,
  parseJsonObject,
} from '../../protocol/json.js'
import type { SigningKey } from '../../protocol/signing.js'
import { xMatrixHeader } from '../../protocol/x-matrix.js'
import type { FederationRequest, FederationStream } from './api.js'
import type { Destinations } from './destinations.js'
import type { Discovery, Way } from './discovery.js'
import { FederationFailure } from './failure.js'

export interface RequestsDeps {
  readonly enabled: boolean
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly http: HttpClient
  readonly discovery: Discovery
  readonly destinations: Destinations
  readonly time: Clock
}

const DEADLINE_MS = 60_000
const MOST_BYTES = 10 << 20
/** A refusal is an error code and a sentence. */
const MOST_REFUSAL_BYTES = 65_536
/** Ways to one server that are tried for one request. */
const MOST_WAYS = 4

/** What is sent, whichever way it goes. */
interface Prepared {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly until: number
}

/** Signed requests to other servers. */
export class Requests {
  readonly #deps: RequestsDeps

  constructor(deps: RequestsDeps) {
    this.#deps = deps
  }

  async request(request: FederationRequest): Promise<JsonObject> {
    const { destination } = request
    const askedAt = this.#deps.time.now()
    const { body } = await this.stream(request)
    try {
      return parseJsonObject(await collect(body), { maxDepth: FEDERATION_MAX_DEPTH })
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      await this.#deps.destinations.failed(destination, askedAt)
      throw new FederationFailure('bad-answer', destination, `its answer is no JSON object: ${error.message}`)
    }
  }

  async stream(request: FederationRequest): Promise<FederationStream> {
    const { destination } = request
    const { enabled, destinations, time, serverName } = this.#deps
    if (!enabled || destination === serverName) {
      throw new FederationFailure('disabled', destination, enabled ? 'is this server itself' : 'federation is disabled')
    }
    if (request.evenIfFailing !== true && (await destinations.retryAt(destination)) > 0) {
      throw new FederationFailure('backing-off', destination, 'is left alone for a while after failures')
    }
    const askedAt = time.now()
    try {
      const answer = await this.#send(request, this.#prepare(request))
      if (answer.status !== 200) throw await refusal(destination, answer)
      destinations.recovered(destination)
      return { headers: answer.headers, body: this.#watched(request, answer, askedAt) }
    } catch (error) {
      throw await this.#failed(destination, error, askedAt)
    }
  }

  #prepare(request: FederationRequest): Prepared {
    const { serverName: origin, signingKey } = this.#deps
    const { destination, method, body, signed = true } = request
    // Signed as it will be sent: a URL rewrites some characters.
    const url = new URL(request.path, 'https://destination.invalid')
    const path = `${url.pathname}${url.search}`
    const content = body === undefined ? undefined : canonicalJson(body)
    const parts = { method, uri: path, origin, destination, ...(content === undefined ? {} : { content }) }
    return {
      path,
      headers: {
        ...(signed ? { authorization: xMatrixHeader(parts, signingKey) } : {}),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: content,
      until: this.#deps.time.monotonic() + (request.deadlineMs ?? DEADLINE_MS),
    }
  }

  /** The next way is taken only when nothing has been sent on the one before. */
  async #send(request: FederationRequest, prepared: Prepared): Promise<OutboundStream> {
    const ways = (await this.#ways(request, prepared)).slice(0, MOST_WAYS)
    let failure: unknown = new OutboundFailure('unreachable', 'there is no way to it')
    for (const way of ways) {
      try {
        return await this.#sendBy(way, request, prepared)
      } catch (error) {
        failure = error
        if (!(error instanceof OutboundFailure) || !error.beforeSending) break
      }
    }
    throw failure
  }

  async #ways(request: FederationRequest, prepared: Prepared): Promise<readonly Way[]> {
    const ended = new AbortController()
    const late = this.#deps.time.sleep(prepared.until - this.#deps.time.monotonic(), ended.signal).then(() => undefined)
    const ways = await Promise.race([
      this.#deps.discovery(request.destination),
      late,
      gone(request.signal, ended.signal),
    ])
    ended.abort()
    if (ways !== undefined) return ways
    const reason = request.signal?.aborted === true ? 'aborted' : 'timeout'
    throw new OutboundFailure(reason, 'where it is could not be found out in time')
  }

  #sendBy(way: Way, request: FederationRequest, prepared: Prepared): Promise<OutboundStream> {
    const { path, headers, body, until } = prepared
    const deadlineMs = Math.max(1, Math.ceil(until - this.#deps.time.monotonic()))
    return this.#deps.http.stream({
      method: request.method,
      url: `https://${way.host}:${way.port}${path}`,
      headers: { ...headers, host: way.hostHeader },
      deadlineMs,
      maxBytes: request.maxBytes ?? MOST_BYTES,
      ...(body === undefined ? {} : { body }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    })
  }

  /** A body that breaks off is a failure of the server too. */
  async *#watched(request: FederationRequest, answer: OutboundStream, askedAt: number): AsyncGenerator<Buffer> {
    try {
      yield* answer.body
    } catch (error) {
      throw await this.#failed(request.destination, error, askedAt)
    }
  }

  /** What has happened, in the words of this component; and the server is left alone for a while if it was at fault. */
  async #failed(destination: ServerName, error: unknown, askedAt: number): Promise<unknown> {
    const failure =
      error instanceof OutboundFailure
        ? new FederationFailure(error.reason, destination, error.message, { cause: error })
        : error
    if (!(failure instanceof FederationFailure)) return failure
    const { destinations } = this.#deps
    if (isItsFault(failure)) await destinations.failed(destination, askedAt, failure.retryAfterMs)
    else if (failure.reason === 'refused') destinations.recovered(destination)
    return failure
  }
}

/** A refusal of one request says nothing of the server; one that refuses everybody, or us, does. */
function isItsFault({ reason, status = 0 }: FederationFailure): boolean {
  if (reason === 'refused') return status === 401 || status === 429 || status >= 500 || status < 400
  return reason !== 'aborted' && reason !== 'disabled' && reason !== 'backing-off'
}

async function refusal(destination: ServerName, answer: OutboundStream): Promise<FederationFailure> {
  const body = await refusalBody(answer)
  const retryAfter = /^\d{1,7}$/.exec(answer.headers.get('retry-after') ?? '')?.[0]
  return new FederationFailure('refused', destination, `answers ${answer.status}`, {
    status: answer.status,
    body,
    retryAfterMs: retryAfter === undefined ? undefined : Number(retryAfter) * 1000,
  })
}

/** A web page of some proxy is no body. */
async function refusalBody({ body }: OutboundStream): Promise<JsonObject | undefined> {
  try {
    return parseJsonObject(await collect(body, MOST_REFUSAL_BYTES))
  } catch (error) {
    if (error instanceof JsonError || error instanceof OutboundFailure) return undefined
    throw error
  }
}

async function collect(body: AsyncIterable<Buffer>, most = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > most) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Ends when `signal` fires; `until` takes the listener off again. */
function gone(signal: AbortSignal | undefined, until: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve(undefined)
    signal?.addEventListener('abort', () => resolve(undefined), { once: true, signal: until })
  })
}
