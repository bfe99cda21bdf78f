import type { StateTuple } from '../../../protocol/event/pdu.js'
import type { EventId, RoomId } from '../../../protocol/ids.js'
import type { RoomVersion } from '../../../protocol/room-version.js'
import type { CommittedHead, RoomIdentity } from '../internals.js'

/** An event without accepted children: what the next one has as its predecessor. */
export interface Extremity {
  readonly nid: number
  readonly eventId: EventId
  readonly depth: number
}

/** A snapshot, and how long the chain of deltas under it has grown. */
export interface SnapshotRef {
  readonly id: number
  /** Entries of the deltas on the full snapshot that the chain stands on. */
  readonly chainEntries: number
  readonly stateSize: number
}

export interface MemberCounts {
  readonly joined: number
  readonly invited: number
  readonly localJoined: number
}

/** What a head is after an event: the row of the room that a batch writes. */
export interface HeadPoint {
  readonly extremities: readonly Extremity[]
  readonly depth: number
  readonly snapshot: SnapshotRef | undefined
  readonly counts: MemberCounts
}

/** A key of the current state that changes: undefined, there is no event for it. */
export interface KeyChange {
  readonly tuple: StateTuple
  readonly eventNid: number | undefined
}

/**
 * The head of a room: where its next event is chained on. It runs ahead of the database: events that are still being
 * written are in it already, so that the next one need not wait for them. What has not been committed is undone in
 * `undo` for readers, who see the committed state only.
 */
export class RoomHead implements CommittedHead {
  readonly nid: number
  readonly roomId: RoomId
  readonly version: RoomVersion
  /** Of the room's row as it was last committed or read. */
  storedVersion: number
  point: HeadPoint
  /** Batches that have been planned on this head and not settled. While there are any it stays in memory. */
  unsettled = 0
  /** Set when a batch on it failed: it says what is not so, and whoever holds it has to read the room again. */
  dropped = false
  /** The room has no row yet: its first batch makes it. */
  isNew = false
  /** Counts the events planned on it: whoever looked at the head and waited sees whether it has moved. */
  generation = 0
  readonly #state: Map<StateTuple, number>
  #onSettled: (() => void)[] = []
  readonly #undo = new Map<StateTuple, number | undefined>()
  #committed: HeadPoint

  constructor(room: RoomIdentity, storedVersion: number, point: HeadPoint, state: Map<StateTuple, number>) {
    this.nid = room.nid
    this.roomId = room.roomId
    this.version = room.version
    this.storedVersion = storedVersion
    this.point = point
    this.#committed = point
    this.#state = state
  }

  /** Event nid of one key, with everything that is being written. */
  planned(tuple: StateTuple): number | undefined {
    return this.#state.get(tuple)
  }

  plannedEntries(): IterableIterator<[StateTuple, number]> {
    return this.#state.entries()
  }

  get plannedSize(): number {
    return this.#state.size
  }

  /** Moves the head on to an event that is about to be written. */
  advance(point: HeadPoint, changes: readonly KeyChange[]): void {
    this.point = point
    this.generation++
    for (const { tuple, eventNid } of changes) {
      if (!this.#undo.has(tuple)) this.#undo.set(tuple, this.#state.get(tuple))
      if (eventNid === undefined) this.#state.delete(tuple)
      else this.#state.set(tuple, eventNid)
    }
  }

  /** What `advance` did is in the database now. Called once per batch and room, with all its changes in order. */
  commit(point: HeadPoint, changes: readonly KeyChange[]): void {
    this.#committed = point
    for (const { tuple, eventNid } of changes) {
      if (this.#state.get(tuple) === eventNid) this.#undo.delete(tuple)
      else this.#undo.set(tuple, eventNid)
    }
  }

  /** Ends when nothing planned on it is on its way any more, or the head is dropped. */
  whenSettled(): Promise<void> {
    if (this.unsettled === 0 || this.dropped) return Promise.resolve()
    return new Promise((resolve) => this.#onSettled.push(resolve))
  }

  settled(): void {
    const waiting = this.#onSettled
    this.#onSettled = []
    for (const resolve of waiting) resolve()
  }

  get participating(): boolean {
    return this.#committed.snapshot !== undefined
  }
  get stateSize(): number {
    return this.#committed.snapshot?.stateSize ?? 0
  }
  get joinedMembers(): number {
    return this.#committed.counts.joined
  }
  get invitedMembers(): number {
    return this.#committed.counts.invited
  }
  get localJoinedMembers(): number {
    return this.#committed.counts.localJoined
  }

  stateNid(tuple: StateTuple): number | undefined {
    return this.#undo.has(tuple) ? this.#undo.get(tuple) : this.#state.get(tuple)
  }

  *stateNids(): IterableIterator<[StateTuple, number]> {
    for (const [tuple, nid] of this.#state) if (!this.#undo.has(tuple)) yield [tuple, nid]
    for (const [tuple, nid] of this.#undo) if (nid !== undefined) yield [tuple, nid]
  }

  /** Bytes it occupies, roughly. */
  get cost(): number {
    return 1_000 + this.#state.size * 160
  }
}
