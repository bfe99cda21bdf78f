import type { EventId } from '../ids.js'

/** The auth events of an event; undefined when they are not loaded. */
export type AuthEdges = (id: EventId) => readonly EventId[] | undefined

/**
 * Visits everything that `starts` reach by auth events, each event once, without the starts themselves (unless one is
 * in the chain of another). A stack of our own, since chains are longer than the call stack; the set of what was seen
 * also ends a cycle, which room versions 1 and 2 cannot rule out.
 *
 * @param visit returns false when what lies behind this event is of no interest
 * @returns ids whose auth events are not loaded
 */
export function walkAuthChain(starts: Iterable<EventId>, edges: AuthEdges, visit: (id: EventId) => boolean): EventId[] {
  const seen = new Set<EventId>()
  const missing: EventId[] = []
  const stack: EventId[] = []
  const expand = (id: EventId): void => {
    const parents = edges(id)
    if (parents === undefined) missing.push(id)
    // One at a time: spread, a long list would be that many arguments of one call.
    else for (const parent of parents) stack.push(parent)
  }
  for (const start of starts) {
    expand(start)
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (seen.has(id)) continue
      seen.add(id)
      if (visit(id)) expand(id)
    }
  }
  return missing
}
