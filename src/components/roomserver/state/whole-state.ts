import { splitStateTuple } from '../../../protocol/event/pdu.js'
import type { Facts } from '../facts.js'
import type { PlannedChange, SnapshotEntry } from '../planned.js'
import type { RoomHead } from './room-head.js'

/** Asks for the ids of everything that a full snapshot of the head's state names. */
export function wantWholeState(head: RoomHead, facts: Facts): void {
  // Many drafts of a room ask at once, and a big state takes a while to walk.
  if (!facts.isFirst(head, head.generation)) return
  for (const [tuple] of head.plannedEntries()) {
    const [type, stateKey] = splitStateTuple(tuple)
    facts.wantType(type)
    facts.wantStateKey(stateKey)
  }
}

/** The whole state of the head after these changes, as a full snapshot holds it. */
export function wholeStateAfter(head: RoomHead, changes: readonly PlannedChange[], facts: Facts): SnapshotEntry[] {
  const changed = new Set(changes.map(({ tuple }) => tuple))
  const entries: SnapshotEntry[] = []
  for (const [tuple, eventNid] of head.plannedEntries()) {
    if (changed.has(tuple)) continue
    const [type, stateKey] = splitStateTuple(tuple)
    entries.push({ typeNid: facts.typeNid(type), stateKeyNid: facts.stateKeyNid(stateKey), eventNid })
  }
  for (const { typeNid, stateKeyNid, event } of changes) {
    if (event !== undefined) entries.push({ typeNid, stateKeyNid, eventNid: event.nid })
  }
  return entries
}
