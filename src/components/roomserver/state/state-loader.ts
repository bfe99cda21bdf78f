import type { Database } from '../../../platform/database.js'
import { type Pdu, type StateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { EventId } from '../../../protocol/ids.js'
import type { RoomVersion } from '../../../protocol/room-version.js'
import { type ResolutionSource, resolutionNeeds, resolveFrom } from '../../../protocol/state-resolution/index.js'
import type { EventCache } from '../event-cache.js'
import type { Nids } from '../nids.js'
import { eventOfRow, VERDICT, type Verdict } from '../room-event.js'
import { SELECT_AUTH_CHAINS, SELECT_AUTH_EDGES } from '../store/auth-chains.js'
import { EMPTY_SNAPSHOT, SELECT_SNAPSHOT_SIZES, SELECT_SNAPSHOT_STATES } from '../store/state-snapshots.js'
import type { SnapshotRef } from './room-head.js'
import { NO_STATE } from './snapshots.js'

/** An event of a state, by both of its names. */
export interface StateEntry {
  readonly nid: number
  readonly eventId: EventId
}

/** What state resolution reads of an event. */
export interface ResolvableEvent extends StateEntry {
  readonly pdu: Pdu
  readonly verdict: Verdict
}

export type LoadedState = ReadonlyMap<StateTuple, StateEntry>

/** Whole states out of the store, and what several of them resolve to. */
export class StateLoader {
  readonly #database: Database
  readonly #events: EventCache
  readonly #nids: Nids

  constructor(database: Database, events: EventCache, nids: Nids) {
    this.#database = database
    this.#events = events
    this.#nids = nids
  }

  /** The states behind snapshots: one statement. */
  async states(snapshotIds: Iterable<number>): Promise<Map<number, LoadedState>> {
    const states = new Map<number, Map<StateTuple, StateEntry>>()
    for (const id of snapshotIds) states.set(id, new Map())
    const wanted = [...states.keys()].filter((id) => id !== EMPTY_SNAPSHOT)
    if (wanted.length === 0) return states
    for (const row of await this.#database.run(SELECT_SNAPSHOT_STATES, wanted)) {
      this.#nids.types.learn(row.type_nid, row.type)
      this.#nids.stateKeys.learn(row.state_key_nid, row.state_key)
      const entry = { nid: row.event_nid, eventId: row.event_id }
      states.get(row.snapshot_id)?.set(stateTuple(row.type, row.state_key), entry)
    }
    return states
  }

  async snapshotRef(id: number): Promise<SnapshotRef> {
    if (id === EMPTY_SNAPSHOT) return NO_STATE
    const [row] = await this.#database.run(SELECT_SNAPSHOT_SIZES, [id])
    if (row === undefined) throw new Error(`there is no snapshot ${id}`)
    return { id, chainEntries: row.chain_entries, stateSize: row.state_size }
  }

  /**
   * Resolves states by the algorithm of the room version, loading the auth chains it asks for. `newcomer`: an event of one
   * of the states that is in no store yet.
   */
  async resolve(
    version: RoomVersion,
    states: readonly LoadedState[],
    newcomer?: ResolvableEvent,
  ): Promise<LoadedState> {
    const [first, ...others] = states
    if (first === undefined) return new Map()
    if (others.every((other) => isSameState(first, other))) return first
    const entries = new Map<EventId, StateEntry>()
    const sets = states.map((state) => {
      const set = new Map<StateTuple, EventId>()
      for (const [tuple, entry] of state) {
        set.set(tuple, entry.eventId)
        entries.set(entry.eventId, entry)
      }
      return set
    })
    const source = new LoadedEvents()
    if (newcomer !== undefined) source.add(newcomer)
    await this.#loadNeeds(version, sets, source)
    const resolved = new Map<StateTuple, StateEntry>()
    for (const [tuple, eventId] of resolveFrom(version, sets, source)) {
      const entry = entries.get(eventId) ?? source.entry(eventId)
      if (entry === undefined) throw new Error(`state resolution chose ${eventId}, which is not here`)
      resolved.set(tuple, entry)
    }
    return resolved
  }

  async #loadNeeds(
    version: RoomVersion,
    sets: readonly ReadonlyMap<StateTuple, EventId>[],
    source: LoadedEvents,
  ): Promise<void> {
    for (;;) {
      const needs = resolutionNeeds(version, sets, source)
      if (needs === undefined) return
      const before = source.size
      if (needs.chains.length > 0) {
        for (const row of await this.#database.run(SELECT_AUTH_CHAINS, needs.chains)) {
          source.add(this.#events.learn(eventOfRow(row)))
        }
      }
      if (needs.events.length > 0) {
        for (const event of (await this.#events.byIds(needs.events)).values()) source.add(event)
      }
      if (needs.edges.length > 0) {
        for (const row of await this.#database.run(SELECT_AUTH_EDGES, needs.edges)) {
          source.addEdges(row.event_id, row.auth_event_ids)
        }
      }
      // What a load does not bring is not here at all: resolution goes on without it.
      if (source.size === before) return
    }
  }
}

class LoadedEvents implements ResolutionSource {
  readonly #events = new Map<EventId, ResolvableEvent>()
  readonly #edges = new Map<EventId, readonly EventId[]>()

  get size(): number {
    return this.#events.size + this.#edges.size
  }

  add(event: ResolvableEvent): void {
    this.#events.set(event.eventId, event)
  }

  addEdges(eventId: EventId, authEvents: readonly EventId[]): void {
    this.#edges.set(eventId, authEvents)
  }

  entry(eventId: EventId): StateEntry | undefined {
    return this.#events.get(eventId)
  }

  authEvents(id: EventId): readonly EventId[] | undefined {
    return this.#events.get(id)?.pdu.authEvents ?? this.#edges.get(id)
  }

  event(id: EventId): Pdu | undefined {
    return this.#events.get(id)?.pdu
  }

  isRejected(id: EventId): boolean {
    return this.#events.get(id)?.verdict === VERDICT.rejected
  }
}

function isSameState(one: LoadedState, other: LoadedState): boolean {
  if (one.size !== other.size) return false
  for (const [tuple, { nid }] of one) if (other.get(tuple)?.nid !== nid) return false
  return true
}
