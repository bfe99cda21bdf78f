import { createUserApi, type UserApi } from '../../src/components/userapi/index.js'
import { createBus } from '../../src/platform/bus.js'
import { createCacheBudget } from '../../src/platform/cache.js'
import { type ChangeFeed, createChangeFeed } from '../../src/platform/change-feed.js'
import { openLog } from '../../src/platform/log.js'
import { createLoops, type Loops } from '../../src/platform/loop.js'
import { createStreamClock, type StreamClock } from '../../src/platform/stream-clock.js'
import { type Clock, systemClock } from '../../src/platform/time.js'
import { parseServerName, type ServerName } from '../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from './database.js'

export const SERVER_NAME = parseServerName('test.example') as ServerName

export interface TestUserApi {
  readonly userapi: UserApi
  readonly test: TestDatabase
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly loops: Loops
  /** Another one on the same database, with nothing in memory: what a restart sees. */
  again(): Promise<UserApi>
  /** Names of the statements that `action` sends. */
  statements(action: () => Promise<unknown>): Promise<string[]>
  close(): Promise<void>
}

/** The component on a database of its own. */
export async function createTestUserApi(options: { readonly time?: Clock } = {}): Promise<TestUserApi> {
  const time = options.time ?? systemClock
  const test = await createTestDatabase()
  const streamClock = await createStreamClock(test.database, time)
  const feed = createChangeFeed(streamClock)
  const loops = createLoops(time, openLog([{ type: 'std', level: 'fatal' }]))
  const make = (): UserApi =>
    createUserApi({
      serverName: SERVER_NAME,
      config: { bcrypt_cost: 4, openid_token_lifetime_ms: 3_600_000 },
      database: test.database,
      streamClock,
      feed,
      bus: createBus(),
      caches: createCacheBudget(10_000_000),
      loops,
      time,
    })
  return {
    userapi: make(),
    test,
    streamClock,
    feed,
    loops,
    again: async () => make(),
    async statements(action) {
      const names: string[] = []
      const stop = test.database.onStatement((name) => names.push(name))
      try {
        await action()
      } finally {
        stop()
      }
      return names
    },
    async close() {
      await loops.stop()
      await test.close()
    },
  }
}
