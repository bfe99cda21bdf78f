import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Network = [Address, number]

/** Which addresses outbound requests may go to. */
export interface NetworkPolicy {
  /** True for what does not parse, too: fail closed. `address` is a numeric address, as the socket shows it. */
  isDenied(address: string): boolean
}

/** Never a server on the Internet, whatever the configuration says of private networks. */
const UNSPECIFIED = ['0.0.0.0/32', '::/128']

/**
 * Denied networks first; then, unless `allowed` is empty, only what it holds. IPv4 networks also cover the IPv6 forms that
 * lead to them: mapped, compatible, 6to4, NAT64. "All of IPv4" in `allowed` (Dendrite's default) means all of IPv6 too.
 * Throws on a network that does not parse.
 */
export function createNetworkPolicy(denied: readonly string[], allowed: readonly string[] = []): NetworkPolicy {
  const deniedNetworks = [...denied, ...UNSPECIFIED].map(parseNetwork)
  const allowedNetworks = allowed.map(parseNetwork)
  const allowsAll = allowed.length === 0 || allowed.some((network) => /^0\.0\.0\.0\/0$/.test(network))
  return {
    isDenied(text) {
      const forms = formsOf(text)
      if (forms === undefined) return true
      if (forms.some((address) => isIn(address, deniedNetworks))) return true
      return !allowsAll && !forms.some((address) => isIn(address, allowedNetworks))
    },
  }
}

function parseNetwork(text: string): Network {
  const withPrefix = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`
  return ipaddr.parseCIDR(withPrefix)
}

function isIn(address: Address, networks: readonly Network[]): boolean {
  return networks.some(([base, prefix]) => matches(address, base, prefix))
}

function matches(address: Address, base: Address, prefix: number): boolean {
  if (address instanceof ipaddr.IPv4 && base instanceof ipaddr.IPv4) return address.match(base, prefix)
  return address instanceof ipaddr.IPv6 && base instanceof ipaddr.IPv6 && address.match(base, prefix)
}

const NAT64 = ipaddr.IPv6.parse('64:ff9b::')
const COMPATIBLE = ipaddr.IPv6.parse('::')
const SIX_TO_FOUR = ipaddr.IPv6.parse('2002::')

/** The address, and the IPv4 address that it leads to. */
function formsOf(text: string): Address[] | undefined {
  // A zone (`fe80::1%eth0`) does not change where an address is.
  const bare = text.split('%', 1)[0] ?? ''
  if (!ipaddr.isValid(bare)) return undefined
  const address = ipaddr.parse(bare)
  if (!(address instanceof ipaddr.IPv6)) return [address]
  const bytes = address.toByteArray()
  if (address.isIPv4MappedAddress()) return [address, address.toIPv4Address()]
  if (address.match(NAT64, 96)) return [address, new ipaddr.IPv4(bytes.slice(12))]
  if (address.match(SIX_TO_FOUR, 16)) return [address, new ipaddr.IPv4(bytes.slice(2, 6))]
  // `::1` is the loopback itself, not the compatible form of 0.0.0.1.
  if (address.match(COMPATIBLE, 96) && (bytes[12] !== 0 || bytes[13] !== 0)) {
    return [address, new ipaddr.IPv4(bytes.slice(12))]
  }
  return [address]
}
