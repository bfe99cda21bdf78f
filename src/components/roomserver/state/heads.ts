import type { ByteCache, CacheBudget } from '../../../platform/cache.js'
import type { Database } from '../../../platform/database.js'
import { type StateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { RoomId } from '../../../protocol/ids.js'
import type { CommittedHeads } from '../internals.js'
import type { Nids } from '../nids.js'
import { storedVersion } from '../room-event.js'
import { SELECT_CURRENT_STATE } from '../store/current-state.js'
import { type HeadRow, SELECT_HEADS } from '../store/rooms.js'
import { type Extremity, RoomHead } from './room-head.js'

/**
 * Heads in memory: those that are being written on for as long as they are, the others as long as there is room. There is
 * never more than one head of a room, so that whoever plans an event sees every event planned before.
 */
export class Heads implements CommittedHeads {
  readonly #database: Database
  readonly #nids: Nids
  readonly #busy = new Map<RoomId, RoomHead>()
  readonly #idle: ByteCache<RoomId, RoomHead>
  readonly #loading = new Map<RoomId, Promise<RoomHead | undefined>>()

  constructor(database: Database, nids: Nids, budget: CacheBudget) {
    this.#database = database
    this.#nids = nids
    this.#idle = budget.cache('roomserver.heads', (head: RoomHead) => head.cost)
  }

  peek(roomId: RoomId): RoomHead | undefined {
    return this.#busy.get(roomId) ?? this.#idle.get(roomId)
  }

  /** Two statements at most, however many rooms. */
  async load(roomIds: Iterable<RoomId>): Promise<Map<RoomId, RoomHead>> {
    const wanted = [...new Set(roomIds)]
    const missing = wanted.filter((roomId) => this.peek(roomId) === undefined && !this.#loading.has(roomId))
    if (missing.length > 0) this.#startLoading(missing)
    const found = new Map<RoomId, RoomHead>()
    for (const roomId of wanted) {
      const head = this.peek(roomId) ?? (await this.#loading.get(roomId)) ?? this.peek(roomId)
      if (head !== undefined) found.set(roomId, head)
    }
    return found
  }

  /** A batch has been planned on the head. */
  hold(head: RoomHead): void {
    head.unsettled++
    this.#busy.set(head.roomId, head)
    this.#idle.delete(head.roomId)
  }

  /** The batch has been committed. */
  release(head: RoomHead): void {
    head.unsettled--
    if (head.unsettled > 0 || head.dropped) return
    this.#busy.delete(head.roomId)
    this.#idle.set(head.roomId, head)
    head.settled()
  }

  /** What these heads say did not come about: they are read again when they are next wanted. */
  drop(heads: Iterable<RoomHead>): void {
    for (const head of heads) {
      head.dropped = true
      this.#busy.delete(head.roomId)
      this.#idle.delete(head.roomId)
      head.settled()
    }
  }

  #startLoading(roomIds: readonly RoomId[]): void {
    const all = this.#read(roomIds)
    for (const roomId of roomIds) {
      const one = all.then((heads) => {
        this.#loading.delete(roomId)
        const head = heads.get(roomId)
        if (head !== undefined) this.#idle.set(roomId, head)
        return head
      })
      this.#loading.set(roomId, one)
      one.catch(() => this.#loading.delete(roomId))
    }
  }

  async #read(roomIds: readonly RoomId[]): Promise<Map<RoomId, RoomHead>> {
    const rows = await this.#database.run(SELECT_HEADS, roomIds)
    const states = new Map<number, Map<StateTuple, number>>()
    for (const row of rows) states.set(row.room_nid, new Map())
    if (rows.length > 0) {
      for (const entry of await this.#database.run(SELECT_CURRENT_STATE, [...states.keys()])) {
        this.#nids.types.learn(entry.type_nid, entry.type)
        this.#nids.stateKeys.learn(entry.state_key_nid, entry.state_key)
        states.get(entry.room_nid)?.set(stateTuple(entry.type, entry.state_key), entry.event_nid)
      }
    }
    return new Map(rows.map((row) => [row.room_id, headOfRow(row, states.get(row.room_nid) ?? new Map())]))
  }
}

function headOfRow(row: HeadRow, state: Map<StateTuple, number>): RoomHead {
  const room = { nid: row.room_nid, roomId: row.room_id, version: storedVersion(row.room_version) }
  const extremities: Extremity[] = row.extremity_nids.map((nid, index) => {
    const eventId = row.extremity_ids[index]
    const depth = row.extremity_depths[index]
    if (eventId === undefined || depth === undefined) throw new Error('extremities do not match')
    return { nid, eventId, depth }
  })
  const snapshot =
    row.current_snapshot_id === null
      ? undefined
      : { id: row.current_snapshot_id, chainEntries: row.chain_entries ?? 0, stateSize: row.state_size ?? 0 }
  const counts = { joined: row.joined_members, invited: row.invited_members, localJoined: row.local_joined_members }
  return new RoomHead(room, row.head_version, { extremities, depth: row.depth, snapshot, counts }, state)
}
