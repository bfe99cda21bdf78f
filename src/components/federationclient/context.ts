import type { Config } from '../../config/schema.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { ProxyAddress } from '../../platform/proxy-tunnel.js'
import type { Clock } from '../../platform/time.js'
import type { ServerName } from '../../protocol/ids.js'
import type { SigningKey } from '../../protocol/signing.js'

export interface FederationClientDeps {
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly database: Database
  readonly caches: CacheBudget
  readonly time: Clock
  readonly log: Log
  readonly config: Pick<Config, 'federation_api' | 'global'>
  readonly userAgent: string
  readonly surroundings?: Surroundings
}

/** What the machine, not the configuration, says of the way out. */
export interface Surroundings {
  /** In PEM; absent: the ones Node comes with. */
  readonly certificateAuthorities?: readonly string[]
  /** Name servers, `address:port`; absent: those of the system. */
  readonly nameServers?: readonly string[]
  /** Used where `federation_api.proxy_outbound` is not. */
  readonly proxy?: ProxyAddress
  /** The ports that the specification names, where others stand in for them. */
  readonly ports?: Ports
}

export interface Ports {
  /** Of `/.well-known`. */
  readonly https: number
  /** Of a server that names none. */
  readonly federation: number
}
