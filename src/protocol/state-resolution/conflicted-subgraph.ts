import type { EventId } from '../ids.js'
import { type AuthEdges, walkAuthChain } from './auth-chain.js'

/**
 * All events on a path of auth events from one conflicted event to another. Room version 12, "Conflicted state
 * subgraph". An event is on such a path when a conflicted event reaches it and it reaches a conflicted event; so one
 * walk back from all of them, and one forward again over the edges that were found.
 *
 * @param edges with the chains of all conflicted events loaded; what is not loaded counts as without auth events
 */
export function conflictedSubgraph(conflicted: ReadonlySet<EventId>, edges: AuthEdges): Set<EventId> {
  const reachable = new Set<EventId>(conflicted)
  walkAuthChain(conflicted, edges, (id) => {
    reachable.add(id)
    return true
  })
  const citedBy = new Map<EventId, EventId[]>()
  for (const id of reachable) {
    for (const cited of edges(id) ?? []) {
      const citing = citedBy.get(cited)
      if (citing) citing.push(id)
      else citedBy.set(cited, [id])
    }
  }
  const subgraph = new Set<EventId>(conflicted)
  walkAuthChain(
    conflicted,
    (id) => citedBy.get(id) ?? [],
    (id) => {
      subgraph.add(id)
      return true
    },
  )
  return subgraph
}
