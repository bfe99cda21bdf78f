import { createEphemeral, type Ephemeral } from '../../../src/components/ephemeral/index.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import { type ChangeFeed, createChangeFeed } from '../../../src/platform/change-feed.js'
import { openLog } from '../../../src/platform/log.js'
import { createLoops } from '../../../src/platform/loop.js'
import { createStreamClock, type StreamClock } from '../../../src/platform/stream-clock.js'
import { FakeClock } from '../../../src/platform/time.js'
import { createTestDatabase } from '../../support/database.js'

export interface TestEphemeral {
  readonly ephemeral: Ephemeral
  readonly time: FakeClock
  readonly feed: ChangeFeed
  readonly streamClock: StreamClock
  /** Names of the statements that `action` sends. */
  statements(action: () => Promise<unknown>): Promise<string[]>
  /** Moves time on in steps, letting the background work that falls due in each run to its end. */
  pass(ms: number): Promise<void>
  /** Ends this one in order and starts another on the same database. */
  restart(): Promise<TestEphemeral>
  close(): Promise<void>
}

const LOOP_MS = 5_000

export async function createTestEphemeral(
  presence = { enable_inbound: true, enable_outbound: true },
  time = new FakeClock(),
): Promise<TestEphemeral> {
  const test = await createTestDatabase()
  const make = async (): Promise<TestEphemeral> => {
    const { database } = test
    // A clock of its own: waits for the database must not stand still with the fake one.
    const streamClock = await createStreamClock(database)
    const feed = createChangeFeed(streamClock)
    const log = openLog([{ type: 'std', level: 'fatal' }])
    const loops = createLoops(time, log)
    const ephemeral = createEphemeral({
      config: { presence },
      database,
      streamClock,
      feed,
      caches: createCacheBudget(10_000_000),
      loops,
      time,
      log,
    })
    await ephemeral.start()
    const runs = (): number => loops.health()[0]?.runs ?? 0
    return {
      ephemeral,
      time,
      feed,
      streamClock,
      async statements(action) {
        const names: string[] = []
        const stop = database.onStatement((name) => names.push(name))
        try {
          await action()
        } finally {
          stop()
        }
        return names
      },
      async pass(ms) {
        for (let left = ms; left > 0; left -= LOOP_MS) {
          const before = runs()
          time.advance(Math.min(left, LOOP_MS))
          while (left >= LOOP_MS && runs() === before) await new Promise(setImmediate)
          await new Promise(setImmediate)
        }
        await streamClock.caughtUp(1_000)
      },
      async restart() {
        await ephemeral.stop()
        return make()
      },
      async close() {
        await ephemeral.stop()
        await test.close()
      },
    }
  }
  return make()
}
