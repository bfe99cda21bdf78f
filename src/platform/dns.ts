/**
 * Names of the Internet, asked of the name servers themselves. `dns.lookup` is not used: it waits in the four threads
 * that passwords and signatures are checked on, so that a few names whose servers are silent would stop all of that.
 */

import { randomInt } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP, type LookupFunction } from 'node:net'
import { LRUCache } from 'lru-cache'
import type { Clock } from './time.js'

export interface Address {
  readonly address: string
  readonly family: 4 | 6
}

/** What an SRV record leads to. */
export interface ServiceTarget {
  readonly host: string
  readonly port: number
}

export interface Names {
  /** IPv6 and IPv4 addresses, aliases followed; an address is its own. @throws NameFailure when there is none */
  addresses(host: string): Promise<readonly Address[]>
  /** SRV targets in the order in which they are to be tried; empty when there is no such record. @throws NameFailure */
  services(name: string): Promise<readonly ServiceTarget[]>
  /** `addresses` as sockets want it. */
  readonly lookup: LookupFunction
}

export class NameFailure extends Error {
  override name = 'NameFailure'
  /** True: the name has no such record. False: nobody could be asked. */
  readonly isAbsent: boolean
  readonly code: string

  constructor(host: string, code: string) {
    super(`${host} cannot be resolved: ${code}`)
    this.code = code
    this.isAbsent = ABSENT.has(code)
  }
}

export interface NamesOptions {
  readonly clock: Clock
  /** How long addresses are remembered; 0: not at all. */
  readonly cacheMs: number
  readonly cacheEntries: number
  /** `address:port`; absent: those of the system. */
  readonly servers?: readonly string[]
  /** Names of this machine's own; `/etc/hosts` unless told. */
  readonly hostsFile?: string
}

const ABSENT = new Set(['ENOTFOUND', 'ENODATA'])
/** What does not exist is not asked for again so soon, whatever the configuration says. */
const NEGATIVE_CACHE_MS = 60_000
/** Services are asked for with every request, not with every connection. */
const SERVICES_CACHE_MS = 60_000
const HOSTS_CACHE_MS = 10_000
const TIMEOUT_MS = 2_500
const TRIES = 2
/** Over all tries and name servers. */
const DEADLINE_MS = 8_000

interface Remembered<T> {
  readonly until: number
  readonly answer: T | NameFailure
}

export function createNames(options: NamesOptions): Names {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (options.servers !== undefined) resolver.setServers([...options.servers])
  const { clock, cacheMs, cacheEntries } = options
  const hosts = hostsReader(options.hostsFile ?? '/etc/hosts', clock)
  const resolveAddresses = remembering(clock, cacheEntries, cacheMs, async (host: string) => {
    const own = (await hosts()).get(host) ?? localhost(host)
    return own ?? askAddresses(resolver, host)
  })
  const resolveServices = remembering(clock, cacheEntries, Math.max(cacheMs, SERVICES_CACHE_MS), (name: string) =>
    askServices(resolver, name),
  )
  const addresses = async (host: string): Promise<readonly Address[]> => {
    const family = isIP(host)
    if (family !== 0) return [{ address: host, family: family === 4 ? 4 : 6 }]
    return resolveAddresses(canonicalName(host))
  }
  return {
    addresses,
    // The order is drawn anew each time: that is how weights spread the load.
    services: async (name) => inOrder(await resolveServices(canonicalName(name))),
    lookup(hostname, lookupOptions, callback) {
      addresses(hostname).then(
        (all) => {
          const { family } = lookupOptions
          const wanted = all.filter((one) => family === undefined || family === 0 || family === one.family)
          const [first] = wanted
          if (first === undefined) callback(new NameFailure(hostname, 'ENODATA'), '', 0)
          else if (lookupOptions.all === true) callback(null, [...wanted])
          else callback(null, first.address, first.family)
        },
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      )
    },
  }
}

function canonicalName(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

/** RFC 6761: name servers are not asked for it. */
function localhost(host: string): readonly Address[] | undefined {
  if (host !== 'localhost' && !host.endsWith('.localhost')) return undefined
  return [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]
}

/** One question at a time for each name, its answer kept for a while. */
function remembering<T>(clock: Clock, entries: number, ms: number, ask: (name: string) => Promise<T>) {
  const known = new LRUCache<string, Remembered<T>>({ max: entries })
  const asking = new Map<string, Promise<T>>()
  const askAndKeep = async (name: string): Promise<T> => {
    try {
      const answer = await ask(name)
      if (ms > 0) known.set(name, { answer, until: clock.monotonic() + ms })
      return answer
    } catch (error) {
      if (error instanceof NameFailure) known.set(name, { answer: error, until: clock.monotonic() + NEGATIVE_CACHE_MS })
      throw error
    } finally {
      asking.delete(name)
    }
  }
  return (name: string): Promise<T> => {
    const found = known.get(name)
    if (found !== undefined && found.until > clock.monotonic()) {
      return found.answer instanceof NameFailure ? Promise.reject(found.answer) : Promise.resolve(found.answer)
    }
    const under = asking.get(name) ?? askAndKeep(name)
    asking.set(name, under)
    return under
  }
}

async function askAddresses(resolver: Resolver, host: string): Promise<readonly Address[]> {
  const [six, four] = await Promise.all([inTime(host, resolver.resolve6(host)), inTime(host, resolver.resolve4(host))])
  const found: Address[] = []
  // A machine without IPv6 is common, a server with only IPv6 is not: the sockets take the next when the first does not answer.
  for (const address of Array.isArray(four) ? four : []) found.push({ address, family: 4 })
  for (const address of Array.isArray(six) ? six : []) found.push({ address, family: 6 })
  if (found.length > 0) return found
  // That one kind is absent says nothing while the other could not be asked for.
  const failures = [four, six].filter((answer) => answer instanceof NameFailure)
  throw failures.find((failure) => !failure.isAbsent) ?? failures[0] ?? new NameFailure(host, 'ENODATA')
}

interface Service extends ServiceTarget {
  readonly priority: number
  readonly weight: number
}

async function askServices(resolver: Resolver, name: string): Promise<readonly Service[]> {
  const found = await inTime(name, resolver.resolveSrv(name))
  if (found instanceof NameFailure) {
    if (found.isAbsent) return []
    throw found
  }
  return found
    .filter((record) => record.name !== '' && record.name !== '.' && record.port > 0)
    .map(({ name: host, port, priority, weight }) => ({ host, port, priority, weight }))
}

/** RFC 2782: lower priorities first, and within one at random, by weight. */
function inOrder(services: readonly Service[]): ServiceTarget[] {
  const left = [...services].sort((one, other) => one.priority - other.priority)
  const ordered: ServiceTarget[] = []
  for (let next = left[0]; next !== undefined; next = left[0]) {
    const { priority } = next
    const group = left.filter((service) => service.priority === priority)
    let drawn = randomInt(group.reduce((sum, service) => sum + service.weight + 1, 0))
    const chosen = group.find((service) => {
      drawn -= service.weight + 1
      return drawn < 0
    })
    const service = chosen ?? next
    left.splice(left.indexOf(service), 1)
    ordered.push({ host: service.host, port: service.port })
  }
  return ordered
}

async function inTime<T>(name: string, question: Promise<T>): Promise<T | NameFailure> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<NameFailure>((resolve) => {
    timer = setTimeout(() => resolve(new NameFailure(name, 'ETIMEOUT')), DEADLINE_MS)
  })
  try {
    return await Promise.race([question, late])
  } catch (error) {
    const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
    return new NameFailure(name, typeof code === 'string' ? code : 'EBADNAME')
  } finally {
    clearTimeout(timer)
  }
}

function hostsReader(path: string, clock: Clock): () => Promise<ReadonlyMap<string, readonly Address[]>> {
  let read: Promise<ReadonlyMap<string, readonly Address[]>> | undefined
  let until = 0
  return () => {
    if (read === undefined || clock.monotonic() >= until) {
      until = clock.monotonic() + HOSTS_CACHE_MS
      read = readFile(path, 'utf8').then(parseHosts, () => new Map())
    }
    return read
  }
}

function parseHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const found = new Map<string, Address[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0) continue
    for (const name of names) {
      const known = found.get(name.toLowerCase()) ?? []
      known.push({ address, family: family === 4 ? 4 : 6 })
      found.set(name.toLowerCase(), known)
    }
  }
  return found
}
