import { type StateTuple, splitStateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { RoomId } from '../../../protocol/ids.js'
import type { RoomInternals } from '../internals.js'
import { SELECT_STATE_ENTRIES } from '../store/current-state-reads.js'
import { SELECT_UNDO } from '../store/state-changes-reads.js'
import type { LastStateChange } from './last-state-change.js'

/** Keys wanted of a state; a pair with undefined key is all keys of the type. Undefined: the whole state. */
export type WantedKeys = readonly (readonly [type: string, stateKey: string | undefined])[] | undefined

/** State as event ids of the store. */
export type StateEntries = Map<StateTuple, number>

export interface CurrentEntries {
  /** Every room that was asked for has an entry. */
  readonly states: Map<RoomId, StateEntries>
  /** Rooms whose state came from their head in memory, which changes together with what is said of its commits. */
  readonly fromMemory: ReadonlySet<RoomId>
}

/** The current state of rooms. Two statements at most, none for rooms in memory. */
export async function currentEntries(
  internals: RoomInternals,
  roomIds: readonly RoomId[],
  wanted: WantedKeys,
): Promise<CurrentEntries> {
  const states = new Map<RoomId, StateEntries>(roomIds.map((roomId) => [roomId, new Map()]))
  if (wanted === undefined) {
    const heads = await internals.heads.load(states.keys())
    for (const [roomId, head] of heads) states.set(roomId, new Map(head.stateNids()))
    return { states, fromMemory: new Set(heads.keys()) }
  }
  if (wanted.length === 0) return { states, fromMemory: new Set(roomIds) }
  const missing: RoomId[] = []
  for (const [roomId, state] of states) {
    const head = internals.heads.peek(roomId)
    if (head === undefined) missing.push(roomId)
    else takeWanted(head, wanted, state)
  }
  if (missing.length > 0) {
    const types = wanted.map(([type]) => type)
    const stateKeys = wanted.map(([, stateKey]) => stateKey ?? null)
    for (const row of await internals.database.run(SELECT_STATE_ENTRIES, missing, types, stateKeys)) {
      states.get(row.room_id)?.set(stateTuple(row.type, row.state_key), row.event_nid)
    }
  }
  const read = new Set(missing)
  return { states, fromMemory: new Set(roomIds.filter((roomId) => !read.has(roomId))) }
}

function takeWanted(
  head: { stateNid(tuple: StateTuple): number | undefined; stateNids(): Iterable<[StateTuple, number]> },
  wanted: readonly (readonly [string, string | undefined])[],
  into: StateEntries,
): void {
  const wholeTypes: string[] = []
  for (const [type, stateKey] of wanted) {
    if (stateKey === undefined) {
      wholeTypes.push(stateTuple(type, ''))
      continue
    }
    const tuple = stateTuple(type, stateKey)
    const nid = head.stateNid(tuple)
    if (nid !== undefined) into.set(tuple, nid)
  }
  if (wholeTypes.length === 0) return
  for (const [tuple, nid] of head.stateNids()) {
    // The tuple begins with the length of the type: no type is the beginning of another.
    if (wholeTypes.some((type) => tuple.startsWith(type))) into.set(tuple, nid)
  }
}

/**
 * States as they stood at positions: the current ones, with every later change taken back. The current ones have to be
 * read first: a change that comes in between is then taken back too.
 */
export async function entriesAt(
  internals: RoomInternals,
  lastChange: LastStateChange,
  at: readonly { readonly roomId: RoomId; readonly position: number }[],
  wanted: WantedKeys,
): Promise<Map<RoomId, StateEntries>> {
  const roomIds = at.map(({ roomId }) => roomId)
  const { states, fromMemory } = await currentEntries(internals, roomIds, wanted)
  const changed = at.filter(({ roomId, position }) => {
    return !fromMemory.has(roomId) || !lastChange.unchangedSince(roomId, position)
  })
  if (changed.length === 0) return states
  const changedIds = changed.map(({ roomId }) => roomId)
  const positions = changed.map(({ position }) => position)
  const wants = wantedFilter(wanted)
  for (const row of await internals.database.run(SELECT_UNDO, changedIds, positions)) {
    const state = states.get(row.room_id)
    const tuple = stateTuple(row.type, row.state_key)
    if (state === undefined || !wants(tuple)) continue
    if (row.replaced_nid === null) state.delete(tuple)
    else state.set(tuple, row.replaced_nid)
  }
  return states
}

function wantedFilter(wanted: WantedKeys): (tuple: StateTuple) => boolean {
  if (wanted === undefined) return () => true
  const types = new Set(wanted.filter(([, stateKey]) => stateKey === undefined).map(([type]) => type))
  const tuples = new Set(wanted.flatMap(([type, key]) => (key === undefined ? [] : [stateTuple(type, key)])))
  return (tuple) => tuples.has(tuple) || types.has(splitStateTuple(tuple)[0])
}
