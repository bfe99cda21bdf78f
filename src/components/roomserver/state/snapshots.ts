import type { IdBlock } from '../id-block.js'
import type { NewSnapshot, SnapshotEntry } from '../planned.js'
import { EMPTY_SNAPSHOT } from '../store/state-snapshots.js'
import type { SnapshotRef } from './room-head.js'

/** The state before m.room.create. */
export const NO_STATE: SnapshotRef = { id: EMPTY_SNAPSHOT, chainEntries: 0, stateSize: 0 }

/** A chain never grows beyond this, so that reading the state of a very big room walks few rows. */
const LONGEST_CHAIN = 1_000
const SHORTEST_CHAIN = 10

/** Whether `added` more entries make the chain of deltas as long as the state itself: then the whole state is written. */
export function isFullSnapshotDue(base: SnapshotRef, added: number): boolean {
  if (base.id === EMPTY_SNAPSHOT) return true
  return base.chainEntries + added > Math.min(Math.max(base.stateSize, SHORTEST_CHAIN), LONGEST_CHAIN)
}

/**
 * The snapshot after `delta` on `base`. `whole` gives the entries of the state after it, and is asked only when a full
 * snapshot is due; `stateSize` is the number of its keys.
 */
export function nextSnapshot(
  base: SnapshotRef,
  delta: readonly SnapshotEntry[],
  stateSize: number,
  ids: IdBlock,
  whole: () => SnapshotEntry[],
): { snapshot: NewSnapshot; ref: SnapshotRef } {
  const id = ids.take()
  if (isFullSnapshotDue(base, delta.length)) {
    const entries = base.id === EMPTY_SNAPSHOT ? delta : whole()
    return {
      snapshot: { id, parentId: undefined, chainEntries: 0, stateSize, entries },
      ref: { id, chainEntries: 0, stateSize },
    }
  }
  const chainEntries = base.chainEntries + delta.length
  return {
    snapshot: { id, parentId: base.id, chainEntries, stateSize, entries: delta },
    ref: { id, chainEntries, stateSize },
  }
}
