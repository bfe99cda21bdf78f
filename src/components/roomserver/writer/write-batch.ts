import type { Database, Transaction } from '../../../platform/database.js'
import type { StreamClock } from '../../../platform/stream-clock.js'
import type { PlannedEvent } from '../planned.js'
import { DELETE_BACKWARD_EXTREMITIES, INSERT_BACKWARD_EXTREMITIES } from '../store/backward-extremities.js'
import { COMMIT_MESSAGES, COMMIT_WITH_STATE } from '../store/commit-batch.js'
import { DELETE_CURRENT_STATE } from '../store/current-state.js'
import { APPLY_REDACTIONS, SETTLE_REDACTIONS } from '../store/event-redactions.js'
import { CLEAR_PROFILES, DELETE_MEMBERSHIPS } from '../store/memberships.js'
import { DELETE_RELATIONS, INSERT_RELATIONS } from '../store/relations.js'
import { INSERT_ROOMS } from '../store/rooms.js'
import { INSERT_SNAPSHOTS } from '../store/state-snapshots.js'
import {
  changeColumns,
  edgeColumns,
  eventColumns,
  headColumns,
  membershipColumns,
  type Placement,
  releasedColumns,
  stateColumns,
} from './batch-rows.js'

/** Somebody else has written to a room of the batch since its head was read. */
export class HeadMoved extends Error {
  override name = 'HeadMoved'
}

/** A statement of the batch that carries no position: it may travel before the positions are taken. */
type Send = (tx: Transaction) => Promise<unknown>

/** The statements of a batch, made once: the transaction may be run several times. */
export class BatchStatements {
  readonly #batch: readonly PlannedEvent[]
  readonly #placement: Placement
  readonly #before: readonly Send[]
  readonly #pruned: ReadonlyMap<number, { readonly json: string; readonly byNid: number }>
  readonly #nowMs: number

  constructor(batch: readonly PlannedEvent[], placement: Placement, nowMs: number) {
    this.#batch = batch
    this.#placement = placement
    this.#nowMs = nowMs
    const { inside, outside } = splitRedactions(batch)
    this.#pruned = inside
    this.#before = [
      ...roomStatements(batch),
      ...snapshotStatements(batch),
      ...relationStatements(batch, inside),
      ...redactionStatements(batch, outside),
      ...removalStatements(batch),
      ...backwardStatements(batch),
    ]
  }

  /**
   * Writes everything; `onPositions` is told the first position before the last statement.
   * @throws HeadMoved
   */
  async send(tx: Transaction, clock: StreamClock, onPositions: (first: number) => void): Promise<void> {
    // Sent without waiting for each other: they share a round trip, and the first refusal fails the transaction.
    const before = this.#before.map((send) => send(tx))
    const settled = Promise.all(before)
    settled.catch(() => undefined)
    // A batch of events that nobody is shown still needs a number to count from, and takes none.
    const first = this.#placement.count === 0 ? 0 : await clock.take(tx, this.#placement.count)
    onPositions(first)
    const last = this.#sendLast(tx, first)
    const [[row]] = await Promise.all([last, settled])
    const rooms = new Set(this.#batch.map(({ room }) => room)).size
    if (row?.heads !== rooms) throw new HeadMoved('the head of a room is not where the batch expects it')
  }

  #sendLast(tx: Transaction, first: number): Promise<{ readonly heads: number }[]> {
    const batch = this.#batch
    const placement = this.#placement
    const heads = headColumns(batch, placement, first)
    const events = eventColumns(batch, placement, first, this.#pruned)
    const edges = edgeColumns(batch, this.#nowMs)
    const plain = batch.every(({ changes, releasedRedactions }) => changes.length + releasedRedactions.length === 0)
    if (plain) return tx.run(COMMIT_MESSAGES, ...heads, ...events, ...edges)
    return tx.run(
      COMMIT_WITH_STATE,
      ...heads,
      ...events,
      ...edges,
      ...stateColumns(batch, placement, first),
      ...changeColumns(batch, placement, first),
      ...membershipColumns(batch, placement, first, new Set(this.#pruned.keys())),
      ...releasedColumns(batch, placement, first),
    )
  }
}

/** One transaction. Answers the first position, when it has been committed. */
export async function writeBatch(
  database: Database,
  clock: StreamClock,
  statements: BatchStatements,
  hooks: { readonly beforeOutcome: (first: number) => void; readonly committed: (first: number) => void },
): Promise<void> {
  await database.transaction(async (tx) => {
    let first: number | undefined
    // Registered before the clock's own: what holds the positions back must be there when they settle.
    tx.afterOutcome(() => {
      if (first !== undefined) hooks.beforeOutcome(first)
    })
    await statements.send(tx, clock, (taken) => {
      first = taken
    })
    tx.afterCommit(() => hooks.committed(first ?? 0))
  })
}

interface Pruned {
  readonly json: string
  readonly byNid: number
}

/** Redactions of events that the same batch writes change the row before it is written. */
function splitRedactions(batch: readonly PlannedEvent[]): {
  inside: Map<number, Pruned>
  outside: Map<number, Pruned>
} {
  const written = new Set(batch.map(({ event }) => event.nid))
  const inside = new Map<number, Pruned>()
  const outside = new Map<number, Pruned>()
  for (const { redactions } of batch) {
    for (const { target, pruned, by } of redactions) {
      const into = written.has(target.nid) ? inside : outside
      if (!into.has(target.nid)) into.set(target.nid, { json: pruned.facts.json, byNid: by.nid })
    }
  }
  return { inside, outside }
}

function roomStatements(batch: readonly PlannedEvent[]): Send[] {
  const rooms = [...new Set(batch.map(({ room }) => room))].filter(({ isNew }) => isNew)
  if (rooms.length === 0) return []
  const nids = rooms.map(({ nid }) => nid)
  const ids = rooms.map(({ roomId }) => roomId)
  const versions = rooms.map(({ version }) => version.id)
  return [(tx) => tx.run(INSERT_ROOMS, nids, ids, versions)]
}

function snapshotStatements(batch: readonly PlannedEvent[]): Send[] {
  const rows = batch.flatMap(({ room, snapshots }) => snapshots.map((snapshot) => ({ roomNid: room.nid, snapshot })))
  if (rows.length === 0) return []
  const ids = rows.map(({ snapshot }) => snapshot.id)
  const rooms = rows.map(({ roomNid }) => roomNid)
  const parents = rows.map(({ snapshot }) => snapshot.parentId ?? null)
  const chains = rows.map(({ snapshot }) => snapshot.chainEntries)
  const sizes = rows.map(({ snapshot }) => snapshot.stateSize)
  const types = rows.map(({ snapshot }) => `{${snapshot.entries.map(({ typeNid }) => typeNid).join(',')}}`)
  const keys = rows.map(({ snapshot }) => `{${snapshot.entries.map(({ stateKeyNid }) => stateKeyNid).join(',')}}`)
  const events = rows.map(({ snapshot }) => `{${snapshot.entries.map(({ eventNid }) => eventNid).join(',')}}`)
  return [(tx) => tx.run(INSERT_SNAPSHOTS, ids, rooms, parents, chains, sizes, types, keys, events)]
}

function relationStatements(batch: readonly PlannedEvent[], prunedHere: ReadonlyMap<number, Pruned>): Send[] {
  const rows = batch.flatMap(({ room, event, relation }) =>
    relation === undefined || prunedHere.has(event.nid) ? [] : [{ room, event, relation }],
  )
  if (rows.length === 0) return []
  const nids = rows.map(({ event }) => event.nid)
  const rooms = rows.map(({ room }) => room.nid)
  const targets = rows.map(({ relation }) => relation.relatesTo)
  const relTypes = rows.map(({ relation }) => relation.relType)
  const types = rows.map(({ event }) => event.facts.typeNid)
  const senders = rows.map(({ event }) => event.sender)
  const keys = rows.map(({ relation }) => relation.key ?? null)
  const roots = rows.map(({ event }) => event.threadRoot ?? null)
  return [(tx) => tx.run(INSERT_RELATIONS, nids, rooms, targets, relTypes, types, senders, keys, roots)]
}

function redactionStatements(batch: readonly PlannedEvent[], outside: ReadonlyMap<number, Pruned>): Send[] {
  const sends: Send[] = []
  if (outside.size > 0) {
    const targets = [...outside.keys()]
    const by = [...outside.values()].map(({ byNid }) => byNid)
    const texts = [...outside.values()].map(({ json }) => json)
    sends.push(
      (tx) => tx.run(APPLY_REDACTIONS, targets, by, texts),
      (tx) => tx.run(DELETE_RELATIONS, targets),
    )
    const members = batch.flatMap(({ redactions }) =>
      redactions.filter(({ target }) => target.type === 'm.room.member').map(({ target }) => target.nid),
    )
    if (members.length > 0) sends.push((tx) => tx.run(CLEAR_PROFILES, members))
  }
  const settled = batch.flatMap(({ settledRedactions }) => settledRedactions.map(({ nid }) => nid))
  if (settled.length > 0) sends.push((tx) => tx.run(SETTLE_REDACTIONS, settled))
  return sends
}

/** Keys of the current state, and members, that the batch leaves without an event. */
function removalStatements(batch: readonly PlannedEvent[]): Send[] {
  const gone = new Map<string, { room: number; type: number; stateKey: number }>()
  const left = new Map<string, { room: number; userId: string }>()
  for (const { room, changes, members } of batch) {
    for (const { event, typeNid, stateKeyNid } of changes) {
      const key = `${room.nid} ${typeNid} ${stateKeyNid}`
      if (event === undefined) gone.set(key, { room: room.nid, type: typeNid, stateKey: stateKeyNid })
      else gone.delete(key)
    }
    for (const { event, userId } of members) {
      const key = `${room.nid} ${userId}`
      if (event === undefined) left.set(key, { room: room.nid, userId })
      else left.delete(key)
    }
  }
  const sends: Send[] = []
  if (gone.size > 0) {
    const rows = [...gone.values()]
    const rooms = rows.map(({ room }) => room)
    const types = rows.map(({ type }) => type)
    const stateKeys = rows.map(({ stateKey }) => stateKey)
    sends.push((tx) => tx.run(DELETE_CURRENT_STATE, rooms, types, stateKeys))
  }
  if (left.size > 0) {
    const rows = [...left.values()]
    const rooms = rows.map(({ room }) => room)
    const users = rows.map(({ userId }) => userId)
    sends.push((tx) => tx.run(DELETE_MEMBERSHIPS, rooms, users))
  }
  return sends
}

function backwardStatements(batch: readonly PlannedEvent[]): Send[] {
  const received = batch.filter(({ closesGap }) => closesGap)
  if (received.length === 0) return []
  const missing = received.flatMap(({ room, event, missingPrevEventIds }) =>
    missingPrevEventIds.map((prev) => ({ room: room.nid, prev, event: event.nid })),
  )
  const rooms = received.map(({ room }) => room.nid)
  const come = received.map(({ event }) => event.eventId)
  const sends: Send[] = [(tx) => tx.run(DELETE_BACKWARD_EXTREMITIES, rooms, come)]
  if (missing.length > 0) {
    const missingRooms = missing.map(({ room }) => room)
    const prevs = missing.map(({ prev }) => prev)
    const events = missing.map(({ event }) => event)
    sends.push((tx) => tx.run(INSERT_BACKWARD_EXTREMITIES, missingRooms, prevs, events))
  }
  return sends
}
