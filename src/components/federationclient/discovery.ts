import { NameFailure, type Names, type ServiceTarget } from '../../platform/dns.js'
import { isIpLiteral, type ServerName, splitServerName } from '../../protocol/ids.js'
import type { Ports } from './context.js'
import type { WellKnown } from './well-known.js'

/** One way to a server. */
export interface Way {
  /** A name to resolve, or an address (IPv6 in brackets). */
  readonly host: string
  readonly port: number
  /** For the `Host` header. Its host is also what the certificate has to be for. */
  readonly hostHeader: string
}

export interface DiscoveryDeps {
  readonly names: Pick<Names, 'services'>
  readonly wellKnown: WellKnown
  readonly ports: Ports
}

/** Ways to a server in the order in which they are to be tried; several only where SRV records name several. Never empty. */
export type Discovery = (server: ServerName) => Promise<readonly Way[]>

/** SS "Resolving server names". The numbers are those of its steps. */
export function createDiscovery({ names, wellKnown, ports }: DiscoveryDeps): Discovery {
  return async (server) => {
    // Steps 1 and 2.
    const direct = explicitWay(server, ports)
    if (direct !== undefined) return [direct]
    const delegate = await wellKnown.delegateOf(server)
    if (delegate === undefined) return waysByName(names, server, ports)
    // Steps 3.1 and 3.2.
    const delegated = explicitWay(delegate, ports)
    return delegated === undefined ? waysByName(names, delegate, ports) : [delegated]
  }
}

/** An address, or a name with a port: nothing more needs to be asked. */
function explicitWay(server: ServerName, ports: Ports): Way | undefined {
  const { host, port } = partsOf(server)
  if (!isIpLiteral(host) && port === undefined) return undefined
  return { host, port: port ?? ports.federation, hostHeader: server }
}

/** Steps 3.3 to 3.5, and 4 to 6: the same for the delegate as for the server itself. */
async function waysByName(names: DiscoveryDeps['names'], server: ServerName, ports: Ports): Promise<readonly Way[]> {
  const { host } = partsOf(server)
  const targets =
    (await servicesOf(names, `_matrix-fed._tcp.${host}`)) ?? (await servicesOf(names, `_matrix._tcp.${host}`))
  // The certificate is for the name that was asked for: DNS is not to be believed in what it delegates to.
  if (targets !== undefined) return targets.map((target) => ({ ...target, hostHeader: server }))
  return [{ host, port: ports.federation, hostHeader: server }]
}

/** Undefined when there is no record, or the name servers do not say: then the plain name is worth a try. */
async function servicesOf(names: DiscoveryDeps['names'], name: string): Promise<readonly ServiceTarget[] | undefined> {
  try {
    const targets = await names.services(name)
    return targets.length === 0 ? undefined : targets
  } catch (error) {
    if (error instanceof NameFailure) return undefined
    throw error
  }
}

function partsOf(server: ServerName): { host: string; port: number | undefined } {
  const parts = splitServerName(server)
  if (parts === undefined) throw new Error(`${server} is not a server name`)
  return parts
}
