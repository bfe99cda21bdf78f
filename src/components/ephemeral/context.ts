import type { Config } from '../../config/schema.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { Loops } from '../../platform/loop.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'

export interface EphemeralDeps {
  readonly config: { readonly presence: Config['global']['presence'] }
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
  readonly log: Log
}

/**
 * Gives a change that lives in memory its position. `apply` sets it where readers look and must not wait: nothing of
 * the position is visible before it has run and the change is announced, so that no reader passes by it.
 */
export async function changeInMemory(
  deps: Pick<EphemeralDeps, 'streamClock' | 'feed'>,
  change: { readonly stream: string; readonly keys: readonly string[] },
  apply: (position: number) => void,
): Promise<void> {
  const { streamClock, feed } = deps
  let announced = (): void => undefined
  const done = new Promise<void>((resolve) => {
    announced = resolve
  })
  streamClock.hold(streamClock.visible + 1, done)
  try {
    const position = await streamClock.takeVolatile(1)
    apply(position)
    feed.publish({ ...change, position })
  } finally {
    announced()
  }
}
