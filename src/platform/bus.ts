/**
 * Tells all who keep something in memory that it has changed. The only way to invalidate a cache: a topic and keys are
 * all that is said, so that several processes on one database can be told the same.
 */
export interface Bus {
  /** Listeners are called at once, in the order they subscribed. Call it after commit. */
  publish(topic: string, keys: readonly string[]): void
  /** Returns the way to stop. */
  subscribe(topic: string, listener: (keys: readonly string[]) => void): () => void
}

export function createBus(): Bus {
  const topics = new Map<string, Set<(keys: readonly string[]) => void>>()
  return {
    publish(topic, keys) {
      if (keys.length === 0) return
      for (const listener of [...(topics.get(topic) ?? [])]) listener(keys)
    },
    subscribe(topic, listener) {
      const listeners = topics.get(topic) ?? new Set()
      topics.set(topic, listeners)
      // A wrapper of its own, so that one function can subscribe twice.
      const own = (keys: readonly string[]) => listener(keys)
      listeners.add(own)
      return () => {
        listeners.delete(own)
        if (listeners.size === 0 && topics.get(topic) === listeners) topics.delete(topic)
      }
    },
  }
}
