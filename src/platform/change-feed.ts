import { LRUCache } from 'lru-cache'
import type { StreamClock } from './stream-clock.js'

/** A change that readers of a stream can be shown: at `position`, of `stream`, concerning these keys. */
export interface Change {
  readonly stream: string
  readonly position: number
  /** What the stream is keyed by (a room, a user, a device). */
  readonly keys: readonly string[]
}

/**
 * Who was concerned by which stream last, in memory, so that "has anything changed since this token?" costs no
 * statement. Owners of a stream publish after commit; listeners hear of a change when its position is visible.
 */
export interface ChangeFeed {
  publish(change: Change): void
  /** The keys among `keys` that may have changed after `since`: all of them when `since` is older than what is known. */
  changedSince(stream: string, keys: Iterable<string>, since: number): string[]
  /** False only when nothing of `stream` concerning `key` has happened after `since`. */
  mayHaveChanged(stream: string, key: string, since: number): boolean
  /** Changes in the order of their positions, once they are visible. Returns the way to stop. */
  subscribe(listener: (changes: readonly Change[], visible: number) => void): () => void
}

const KEYS_PER_STREAM = 50_000

class StreamIndex {
  /** Before this nothing is known: every key may have changed. Rises when old keys are evicted. */
  #floor: number
  readonly #last: LRUCache<string, number>

  constructor(floor: number) {
    this.#floor = floor
    this.#last = new LRUCache<string, number>({
      max: KEYS_PER_STREAM,
      dispose: (position, _key, reason) => {
        if (reason === 'evict' && position > this.#floor) this.#floor = position
      },
    })
  }

  set(key: string, position: number): void {
    if (position > (this.#last.peek(key) ?? 0)) this.#last.set(key, position)
  }

  mayHaveChanged(key: string, since: number): boolean {
    return since < this.#floor || (this.#last.peek(key) ?? 0) > since
  }
}

export function createChangeFeed(clock: StreamClock): ChangeFeed {
  const floor = clock.visible
  const streams = new Map<string, StreamIndex>()
  const listeners = new Set<(changes: readonly Change[], visible: number) => void>()
  let waiting: Change[] = []

  const index = (stream: string): StreamIndex => {
    let found = streams.get(stream)
    if (found === undefined) {
      found = new StreamIndex(floor)
      streams.set(stream, found)
    }
    return found
  }

  const deliver = (visible: number): void => {
    const ready = waiting.filter((change) => change.position <= visible)
    if (ready.length === 0) return
    waiting = waiting.filter((change) => change.position > visible)
    ready.sort((a, b) => a.position - b.position)
    for (const listener of listeners) listener(ready, visible)
  }
  clock.onAdvance(deliver)

  return {
    publish(change) {
      const at = index(change.stream)
      for (const key of change.keys) at.set(key, change.position)
      waiting.push(change)
      if (change.position <= clock.visible) deliver(clock.visible)
    },
    changedSince(stream, keys, since) {
      const at = index(stream)
      const changed: string[] = []
      for (const key of keys) if (at.mayHaveChanged(key, since)) changed.push(key)
      return changed
    },
    mayHaveChanged(stream, key, since) {
      return index(stream).mayHaveChanged(key, since)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * Gives a change that lives in memory its position. `apply` sets it where readers look and must not wait: nothing of
 * the position is visible before it has run and the change is announced, so that no reader passes by it.
 */
export async function changeInMemory(
  deps: { readonly streamClock: StreamClock; readonly feed: ChangeFeed },
  change: Omit<Change, 'position'>,
  apply: (position: number) => void = () => undefined,
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
