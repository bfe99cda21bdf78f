import { type EventId, fitsBytes, MAX_ID_BYTES, parseEventId } from '../../protocol/ids.js'
import { getObject, getString, type JsonObject } from '../../protocol/json.js'
import type { Facts } from './facts.js'
import type { PlannedRelation } from './planned.js'

/** How far a relation is followed to find the thread of an event: CS API "Threading", "Receiving notifications". */
const MAX_HOPS = 3

/** `m.relates_to` when it relates to an event; a plain reply (`m.in_reply_to` alone) does not. */
export function relationIn(content: JsonObject): PlannedRelation | undefined {
  const relation = getObject(content, 'm.relates_to')
  if (relation === undefined) return undefined
  const relType = getString(relation, 'rel_type')
  const relatesTo = getString(relation, 'event_id')
  if (relType === undefined || relatesTo === undefined) return undefined
  // Longer ones relate to nothing that can exist, and would not fit into an index.
  if (!fitsBytes(relType, MAX_ID_BYTES) || !fitsBytes(relatesTo, MAX_ID_BYTES)) return undefined
  return { relType, relatesTo, key: getString(relation, 'key') }
}

/**
 * The root of the thread that an event with this content belongs to: named by its own relation or by that of an event
 * it relates to, up to three hops away. What is not in memory is asked of `facts`, and the answer is then not final.
 */
export function threadRootOf(content: JsonObject, facts: Facts): EventId | undefined {
  let relation = relationIn(content)
  for (let hops = 0; relation !== undefined; hops++) {
    const target = parseEventId(relation.relatesTo)
    if (relation.relType === 'm.thread') return target
    if (target === undefined || hops === MAX_HOPS) return undefined
    const event = facts.wantEventById(target)
    relation = event === undefined ? undefined : relationIn(event.content)
  }
  return undefined
}
