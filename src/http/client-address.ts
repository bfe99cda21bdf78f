import ipaddr from 'ipaddr.js'
import type { Log } from '../platform/log.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>
type Network = [ipaddr.IPv4 | ipaddr.IPv6, number]

export interface ClientAddressOptions {
  /** Addresses and networks in CIDR notation. */
  readonly trustedProxies: readonly string[]
  /** Name of a header with one address; empty: none. */
  readonly realIpHeader: string
}

/** What a client on a Unix socket is called: whoever may open it is a proxy of this machine. */
const LOCAL_SOCKET = 'unix'
/** So many requests in a row that carry the header from an untrusted peer: that is a proxy nobody has told us of. */
const WARN_AFTER = 50
/** Of a header of X-Forwarded-For; what is before it was written by who knows whom. */
const MOST_HOPS = 20

/**
 * Who a request comes from. X-Forwarded-For counts only when a trusted proxy sent it, and of it the rightmost address that is
 * not itself a trusted proxy: everything left of that was claimed by the client.
 */
export class ClientAddresses {
  readonly #trusted: readonly Network[]
  readonly #realIpHeader: string
  readonly #log: Log
  readonly #trustByPeer = new Map<string, boolean>()
  #untrustedInARow = 0
  #warned = false

  constructor(options: ClientAddressOptions, log: Log) {
    this.#trusted = options.trustedProxies.map(parseNetwork)
    this.#realIpHeader = options.realIpHeader.toLowerCase()
    this.#log = log
  }

  /** `peer` is the socket's remote address; undefined on a Unix socket. */
  of(peer: string | undefined, headers: Headers): string {
    const direct = peer === undefined || peer === '' ? LOCAL_SOCKET : canonical(peer)
    const isTrusted = direct === LOCAL_SOCKET || this.isTrusted(direct)
    const real = this.#realIp(headers, isTrusted)
    if (real !== undefined) return real
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined) {
      this.#untrustedInARow = 0
      return direct
    }
    if (isTrusted) return this.#forwardedFor(String(forwarded)) ?? direct
    this.#noteUntrusted(direct)
    return direct
  }

  isTrusted(address: string): boolean {
    if (this.#trusted.length === 0) return false
    let trusted = this.#trustByPeer.get(address)
    if (trusted === undefined) {
      trusted = this.#isInTrustedNetwork(address)
      if (this.#trustByPeer.size > 10_000) this.#trustByPeer.clear()
      this.#trustByPeer.set(address, trusted)
    }
    return trusted
  }

  /** Dendrite believes this header from everybody; where proxies are named, it is believed from those alone. */
  #realIp(headers: Headers, isTrusted: boolean): string | undefined {
    if (this.#realIpHeader === '' || (this.#trusted.length > 0 && !isTrusted)) return undefined
    const value = headers[this.#realIpHeader]
    const first = (Array.isArray(value) ? value[0] : value)?.split(',')[0]
    return first === undefined ? undefined : parseAddress(first)
  }

  #forwardedFor(header: string): string | undefined {
    let furthest: string | undefined
    for (const hop of header.split(',').slice(-MOST_HOPS).reverse()) {
      const address = parseAddress(hop)
      if (address === undefined) return furthest
      if (!this.isTrusted(address)) return address
      furthest = address
    }
    return furthest
  }

  #isInTrustedNetwork(address: string): boolean {
    if (!ipaddr.isValid(address)) return false
    const parsed = ipaddr.process(address)
    return this.#trusted.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits))
  }

  #noteUntrusted(peer: string): void {
    this.#untrustedInARow++
    if (this.#warned || this.#untrustedInARow < WARN_AFTER) return
    this.#warned = true
    this.#log.warn(
      { peer },
      'every request comes through a proxy that global.trusted_proxies does not name: all clients look like one to rate limits and logs',
    )
  }
}

function parseNetwork(text: string): Network {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** Without the port that some proxies add, and IPv4 in its plain form. */
function parseAddress(text: string): string | undefined {
  const trimmed = text.trim()
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed)?.[1]
  const candidate = bracketed ?? (/^[\d.]+:\d+$/.test(trimmed) ? trimmed.slice(0, trimmed.indexOf(':')) : trimmed)
  return ipaddr.isValid(candidate) ? ipaddr.process(candidate).toString() : undefined
}

function canonical(peer: string): string {
  return peer.startsWith('::ffff:') ? peer.slice(7) : peer
}
