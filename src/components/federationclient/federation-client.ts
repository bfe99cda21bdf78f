import { createNetworkPolicy } from '../../platform/denied-networks.js'
import { createNames } from '../../platform/dns.js'
import { createHttpClient, type HttpClient } from '../../platform/http-client.js'
import type { FederationClient } from './api.js'
import type { FederationClientDeps } from './context.js'
import { Destinations } from './destinations.js'
import { createDiscovery } from './discovery.js'
import { KeyFetcher, notariesOf } from './keys/key-fetcher.js'
import { createKeyRing } from './keys/key-ring.js'
import { KeyStore } from './keys/key-store.js'
import { KeySupply } from './keys/key-supply.js'
import { retiredKeys } from './keys/own-keys.js'
import { Requests } from './requests.js'
import { createWellKnown } from './well-known.js'

const STANDARD_PORTS = { https: 443, federation: 8448 }

/** @throws Error when a file of `global.old_private_keys` cannot be read */
export function createFederationClient(deps: FederationClientDeps): FederationClient {
  const { serverName, signingKey, database, caches, time, log, config, surroundings = {} } = deps
  const ports = surroundings.ports ?? STANDARD_PORTS
  const { dns_cache: dnsCache, key_validity_period, disable_federation } = config.global
  const names = createNames({
    clock: time,
    cacheMs: dnsCache.enabled ? dnsCache.cache_lifetime : 0,
    cacheEntries: dnsCache.cache_size,
    ...(surroundings.nameServers === undefined ? {} : { servers: surroundings.nameServers }),
  })
  const http = outboundHttp(deps, names)
  const destinations = new Destinations({
    database,
    time,
    log,
    mostFailures: config.federation_api.send_max_retries,
  })
  const discovery = createDiscovery({ names, wellKnown: createWellKnown({ http, time, port: ports.https }), ports })
  const enabled = !disable_federation
  const requests = new Requests({ enabled, serverName, signingKey, http, discovery, destinations, time })
  const fetcher = new KeyFetcher({
    request: (request) => requests.request(request),
    notaries: notariesOf(config, serverName),
    time,
    log,
  })
  const store = new KeyStore({ database, caches })
  const supply = new KeySupply({ store, fetcher, time, preferDirect: config.federation_api.prefer_direct_fetch })
  const keys = createKeyRing({
    serverName,
    signingKey,
    retired: retiredKeys(config),
    validityMs: key_validity_period,
    store,
    supply,
    time,
  })
  return {
    enabled,
    keys,
    request: (request) => requests.request(request),
    stream: (request) => requests.stream(request),
    retryAt: (destination) => destinations.retryAt(destination),
    heardFrom: (server) => destinations.recovered(server),
    onRecovered: (listener) => destinations.onRecovered(listener),
    stop: () => http.close(),
  }
}

function outboundHttp(deps: FederationClientDeps, names: ReturnType<typeof createNames>): HttpClient {
  const { federation_api: settings } = deps.config
  const { certificateAuthorities, proxy: surroundingProxy } = deps.surroundings ?? {}
  const { enabled, protocol, host, port } = settings.proxy_outbound
  const proxy = enabled ? { protocol, host, port } : surroundingProxy
  return createHttpClient({
    policy: createNetworkPolicy(settings.deny_networks, settings.allow_networks),
    userAgent: deps.userAgent,
    verifyCertificates: !settings.disable_tls_validation,
    keepAlive: !settings.disable_http_keepalives,
    lookup: names.lookup,
    ...(certificateAuthorities === undefined ? {} : { certificateAuthorities }),
    ...(proxy === undefined ? {} : { proxy }),
  })
}
