import { randomInt } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type HttpClient, type OutboundBody, OutboundFailure } from '../../platform/http-client.js'
import type { Clock } from '../../platform/time.js'
import { parseServerName, type ServerName } from '../../protocol/ids.js'
import { getString, JsonError, parseJsonObject } from '../../protocol/json.js'

export interface WellKnownDeps {
  readonly http: Pick<HttpClient, 'request'>
  readonly time: Clock
  /** 443. */
  readonly port: number
}

/** Where a host has delegated its server to, as far as `/.well-known/matrix/server` says. */
export interface WellKnown {
  /** Undefined: no delegation, or none that can be read. Does not reject for what a remote does. */
  delegateOf(host: string): Promise<ServerName | undefined>
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DEFAULT_MS = 24 * HOUR_MS
const LONGEST_MS = 48 * HOUR_MS
const SHORTEST_MS = 5 * MINUTE_MS
/** After a first failure to get an answer; doubled with each that follows. */
const FIRST_FAILURE_MS = 2 * MINUTE_MS
const LONGEST_FAILURE_MS = HOUR_MS
/** A delegation that was good until a moment ago outlives a web server that is being restarted. */
const KEPT_AFTER_FAILURE_MS = 2 * HOUR_MS

const MOST_BYTES = 51_200
const DEADLINE_MS = 10_000
const MOST_REDIRECTS = 5
const HOSTS = 10_000

interface Known {
  readonly delegate: ServerName | undefined
  readonly until: number
  /** A delegate is believed until then, even if it cannot be confirmed. */
  readonly keptUntil: number
  readonly failures: number
}

/** SS "Resolving server names", step 3: fetched once at a time for each host, remembered by its rules for caching. */
export function createWellKnown({ http, time, port }: WellKnownDeps): WellKnown {
  const known = new LRUCache<string, Known>({ max: HOSTS })
  const asking = new Map<string, Promise<ServerName | undefined>>()

  const ask = async (host: string): Promise<ServerName | undefined> => {
    const before = known.get(host)
    const answer = await fetchOnce(http, host, port)
    const now = time.monotonic()
    const next = 'lost' in answer ? afterFailure(before, now) : afterAnswer(answer, time, now)
    known.set(host, next)
    return next.delegate
  }
  return {
    delegateOf(host) {
      const key = host.toLowerCase()
      const found = known.get(key)
      if (found !== undefined && found.until > time.monotonic()) return Promise.resolve(found.delegate)
      const under = asking.get(key) ?? ask(key).finally(() => asking.delete(key))
      asking.set(key, under)
      return under
    },
  }
}

type Answer = OutboundBody | { readonly lost: true }

async function fetchOnce(http: WellKnownDeps['http'], host: string, port: number): Promise<Answer> {
  const authority = port === 443 ? host : `${host}:${port}`
  try {
    const answer = await http.request({
      url: `https://${authority}/.well-known/matrix/server`,
      deadlineMs: DEADLINE_MS,
      maxBytes: MOST_BYTES,
      maxRedirects: MOST_REDIRECTS,
      httpsOnly: true,
    })
    return answer.status >= 500 ? { lost: true } : answer
  } catch (error) {
    if (error instanceof OutboundFailure) return { lost: true }
    throw error
  }
}

function afterFailure(before: Known | undefined, now: number): Known {
  const failures = (before?.failures ?? 0) + 1
  const { delegate, keptUntil = 0 } = before ?? {}
  const isKept = delegate !== undefined && now < keptUntil
  const wait = isKept ? FIRST_FAILURE_MS : Math.min(FIRST_FAILURE_MS * 2 ** (failures - 1), LONGEST_FAILURE_MS)
  return { delegate: isKept ? delegate : undefined, until: now + spread(wait), keptUntil, failures }
}

function afterAnswer(answer: OutboundBody, time: Clock, now: number): Known {
  const delegate = delegateIn(answer)
  const wait = delegate === undefined ? LONGEST_FAILURE_MS : lifetimeOf(answer.headers, time.now())
  const until = now + spread(wait)
  return { delegate, until, keptUntil: until + KEPT_AFTER_FAILURE_MS, failures: 0 }
}

function delegateIn({ status, body }: OutboundBody): ServerName | undefined {
  if (status !== 200) return undefined
  try {
    return parseServerName(getString(parseJsonObject(body), 'm.server') ?? '')
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
}

/** RFC 9111, as far as a cache of one answer needs it. */
function lifetimeOf(headers: ReadonlyMap<string, string>, wallNow: number): number {
  const control = headers.get('cache-control')?.toLowerCase() ?? ''
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/.exec(control)?.[1]
  const expires = headers.get('expires')
  let wanted = DEFAULT_MS
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/.test(control)) wanted = 0
  else if (maxAge !== undefined) wanted = Number(maxAge) * 1000
  // An unreadable date is one that has passed.
  else if (expires !== undefined) wanted = (Date.parse(expires) || 0) - wallNow
  return Math.min(Math.max(wanted, SHORTEST_MS), LONGEST_MS)
}

/** So that what was learnt together does not end together. */
function spread(ms: number): number {
  return ms - randomInt(Math.ceil(ms / 10) + 1)
}
