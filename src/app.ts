import { createEphemeral, type Ephemeral } from './components/ephemeral/index.js'
import {
  createFederationClient,
  type FederationClient,
  type Surroundings,
} from './components/federationclient/index.js'
import { createKeyServer, type KeyServer } from './components/keyserver/index.js'
import { createMediaApi, type MediaApi } from './components/mediaapi/index.js'
import { createPushServer, type PushServer } from './components/pushserver/index.js'
import { createRoomServer, type RoomServer } from './components/roomserver/index.js'
import { createSearch, type Search } from './components/search/index.js'
import { createSyncApi, type SyncApi } from './components/syncapi/index.js'
import { createUserApi, type UserApi } from './components/userapi/index.js'
import type { Config } from './config/schema.js'
import { localCommandRoutes } from './http/admin/local-commands.js'
import { monitorRoutes } from './http/admin/monitor.js'
import { createCaptcha } from './http/auth/captcha.js'
import { createServerSignatures } from './http/auth/server-signature.js'
import { createUserInteractiveAuth } from './http/auth/user-interactive.js'
import { clientRoutes } from './http/client/index.js'
import type { RouteDeps } from './http/deps.js'
import { versionRoutes } from './http/federation/version.js'
import { keyRoutes } from './http/keys/index.js'
import { createRateLimits } from './http/rate-limit.js'
import type { Route } from './http/route.js'
import { createHttp, type Http, type HttpBounds, type Listener } from './http/server.js'
import { type Bus, createBus } from './platform/bus.js'
import { createCacheBudget } from './platform/cache.js'
import { createChangeFeed } from './platform/change-feed.js'
import type { Database } from './platform/database.js'
import { createLifecycle } from './platform/lifecycle.js'
import type { Log } from './platform/log.js'
import { createLoops, type Loop } from './platform/loop.js'
import { createIdAllocator } from './platform/number-blocks.js'
import { createStreamClock, type StreamClock } from './platform/stream-clock.js'
import { type Clock, systemClock } from './platform/time.js'
import { startWatchdog } from './platform/watchdog.js'
import type { SigningKey } from './protocol/signing.js'
import { finishDeactivations } from './workflows/deactivate-account.js'
import { prepareServerNotices } from './workflows/server-notices.js'

export interface AppOptions {
  readonly config: Config
  readonly log: Log
  /** Open, migrated, and ours alone to write. */
  readonly database: Database
  readonly signingKey: SigningKey
  /** Of this program, for other servers to see. */
  readonly version?: string
  /** What commands on this machine show the server; new at each start. */
  readonly commandSecret: string
  readonly cacheBytes: number
  readonly time?: Clock
  readonly httpBounds?: Partial<HttpBounds>
  /** What the machine says of the way to other servers: certificate authorities, name servers, a proxy. */
  readonly surroundings?: Surroundings
}

/** The parts, for the commands and tests that use them without HTTP. */
export interface Components {
  readonly federationclient: FederationClient
  readonly userapi: UserApi
  readonly mediaapi: MediaApi
  readonly roomserver: RoomServer
  readonly keyserver: KeyServer
  readonly ephemeral: Ephemeral
  readonly pushserver: PushServer
  readonly search: Search
  readonly syncapi: SyncApi
  readonly streamClock: StreamClock
  readonly bus: Bus
}

export interface App {
  readonly components: Components
  /** Every route that is served, for the test that compares them with the specification. */
  readonly routes: readonly Route[]
  start(): Promise<void>
  /** After `start`. Returns what was bound, one for each listener. */
  listen(listeners: readonly Listener[]): Promise<Awaited<ReturnType<Http['listen']>>[]>
  /** Listeners first, then the components from the highest rank down. Never throws; at most five seconds. */
  stop(): Promise<void>
}

/** Between looks for accounts whose rooms could not be left when they were deactivated. */
const DEACTIVATIONS_INTERVAL_MS = 10 * 60_000

/** The composition root: every part is built here, in the order of dependency, and nowhere else. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config, log, database, signingKey, version = 'unknown' } = options
  const time = options.time ?? systemClock
  const serverName = config.global.server_name
  const bus = createBus()
  const caches = createCacheBudget(options.cacheBytes)
  const loops = createLoops(time, log.child('loops'))
  const streamClock = await createStreamClock(database, time)
  const feed = createChangeFeed(streamClock)
  const shared = { serverName, database, streamClock, feed, bus, caches, loops, time }

  const federationclient = createFederationClient({
    ...shared,
    signingKey,
    config,
    userAgent: `Neurite/${version}`,
    log: log.child('federationclient'),
    ...(options.surroundings === undefined ? {} : { surroundings: options.surroundings }),
  })
  const userapi = createUserApi({ ...shared, config: config.user_api })
  const mediaapi = createMediaApi({ ...shared, config: config.media_api, log: log.child('mediaapi') })
  const roomserver = createRoomServer({
    ...shared,
    signingKey,
    eventNids: createIdAllocator(database, 'roomserver.events'),
    snapshotIds: createIdAllocator(database, 'roomserver.snapshots'),
    log: log.child('roomserver'),
  })
  const keyserver = createKeyServer({ ...shared, userapi })
  const ephemeral = createEphemeral({ ...shared, config: config.global, log: log.child('ephemeral') })
  const pushserver = createPushServer({
    ...shared,
    config: { userApi: config.user_api, networks: config.federation_api },
    userAgent: `Neurite/${version}`,
    userapi,
    roomserver,
    log: log.child('pushserver'),
  })
  roomserver.readBeforeVisible(pushserver.reader)
  const search = createSearch({ ...shared, userapi, roomserver, config: config.sync_api.search })
  const syncapi = createSyncApi({
    ...shared,
    userapi,
    roomserver,
    keyserver,
    ephemeral,
    pushserver,
    log: log.child('syncapi'),
  })

  const limits = createRateLimits(config.client_api.rate_limiting, time)
  const captcha = createCaptcha(config.client_api, `Neurite/${version}`, log.child('http'))
  const userInteractive = createUserInteractiveAuth({ userapi, limits, time, captcha })
  const watchdog = startWatchdog({ log })
  const components: Components = {
    federationclient,
    userapi,
    mediaapi,
    roomserver,
    keyserver,
    ephemeral,
    pushserver,
    search,
    syncapi,
    streamClock,
    bus,
  }
  const deps: RouteDeps = {
    ...components,
    config,
    feed,
    time,
    log: log.child('http'),
    userInteractive,
    limits,
  }
  const routes = [
    ...clientRoutes(deps),
    ...(federationclient.enabled ? [...keyRoutes(deps), ...versionRoutes(version)] : []),
    ...localCommandRoutes(deps, options.commandSecret),
    ...monitorRoutes({ database, loops, watchdog }),
  ]
  const http = createHttp({
    routes,
    userapi,
    serverSignatures: createServerSignatures(serverName, federationclient),
    limits,
    clientAddress: {
      trustedProxies: config.global.trusted_proxies,
      realIpHeader: config.sync_api.real_ip_header,
    },
    time,
    log: log.child('http'),
    ...(options.httpBounds === undefined ? {} : { bounds: options.httpBounds }),
  })

  const lifecycle = createLifecycle(time, log)
  lifecycle.add({ name: 'watchdog', stop: async () => watchdog.stop() })
  lifecycle.add({ name: 'loops', stop: () => loops.stop() })
  lifecycle.add({ name: 'federationclient', stop: () => federationclient.stop() })
  lifecycle.add({ name: 'userapi', start: () => userapi.start(), stop: () => userapi.stop() })
  lifecycle.add({ name: 'mediaapi', start: () => mediaapi.start(), stop: () => mediaapi.stop() })
  lifecycle.add({ name: 'roomserver', start: () => roomserver.start(), stop: () => roomserver.stop() })
  lifecycle.add({ name: 'keyserver', start: () => keyserver.start(), stop: () => keyserver.stop() })
  lifecycle.add({ name: 'ephemeral', start: () => ephemeral.start(), stop: () => ephemeral.stop() })
  lifecycle.add({ name: 'pushserver', start: () => pushserver.start(), stop: () => pushserver.stop() })
  lifecycle.add({ name: 'search', start: () => search.start(), stop: () => search.stop() })
  lifecycle.add({ name: 'syncapi', start: () => syncapi.start() })
  lifecycle.add({ name: 'captcha', stop: async () => captcha?.close() })
  const notices = config.global.server_notices
  lifecycle.add({
    name: 'server notices',
    start: async () => {
      if (notices.enabled) await prepareServerNotices({ userapi, config: notices })
    },
  })
  let deactivations: Loop | undefined
  lifecycle.add({
    name: 'deactivations',
    start: async () => {
      deactivations = loops.start({
        name: 'app.deactivations',
        owner: 'app',
        intervalMs: DEACTIVATIONS_INTERVAL_MS,
        immediately: true,
        body: () => finishDeactivations({ userapi, roomserver }),
      })
    },
    stop: async () => deactivations?.stop(),
  })
  lifecycle.add({
    name: 'http',
    // Long polls are answered as soon as the listener is closed, the rest has the lifecycle's time.
    stop: async () => {
      await Promise.all([http.close(), syncapi.stop()])
    },
  })

  return {
    components,
    routes,
    start: () => lifecycle.start(),
    async listen(listeners) {
      const bound = []
      for (const listener of listeners) bound.push(await http.listen(listener))
      return bound
    },
    stop: () => lifecycle.stop(),
  }
}
