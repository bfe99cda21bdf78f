import type { Bus } from '../../../platform/bus.js'
import type { ChangeFeed } from '../../../platform/change-feed.js'
import type { Database } from '../../../platform/database.js'
import { ConstraintViolation, DatabaseFull, DatabaseUnavailable } from '../../../platform/database.js'
import type { Log } from '../../../platform/log.js'
import type { StreamClock } from '../../../platform/stream-clock.js'
import type { OutputEntry } from '../api.js'
import type { EventCache } from '../event-cache.js'
import type { PlannedEvent } from '../planned.js'
import type { PlanningContext } from '../planning-context.js'
import type { StoredEvent } from '../room-event.js'
import type { Heads } from '../state/heads.js'
import type { KeyChange, RoomHead } from '../state/room-head.js'
import { entriesOf, publish } from './announce.js'
import { lastPoints, Placement } from './batch-rows.js'
import { BatchStatements, HeadMoved, writeBatch } from './write-batch.js'

/** What fails or succeeds as one: a draft, a new room with all its events, a received event. */
export interface WorkUnit {
  /** Events of the plan, in order. Never empty. */
  readonly planned: readonly PlannedEvent[]
  /** The heads it was planned on are gone: reads them again and plans anew. */
  replan(): Promise<Replanned>
  /** It is durable, and its events have their positions. */
  written(): void
  failed(error: unknown): void
}

/**
 * `answered`: there is nothing to write any more, and the unit has told its owner. `later`: it has to see what is planned
 * before it in the store first.
 */
export type Replanned = 'planned' | 'answered' | 'later'

export interface WriterParts {
  readonly database: Database
  readonly clock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
  readonly log: Log
  readonly heads: Heads
  readonly events: EventCache
  readonly context: PlanningContext
  /** Told of a batch before anybody else. */
  readonly onCommitted: (entries: readonly OutputEntry[]) => void
  /** Hands entries to readers; ends when they may become visible. */
  readonly deliver: (entries: readonly OutputEntry[]) => Promise<void>
  /** Ends when readers have caught up enough for another batch; undefined: they have. */
  readonly mayWrite: () => Promise<void> | undefined
}

/** Events in one transaction, and bytes of their texts. */
const MAX_EVENTS = 500
const MAX_BYTES = 4_000_000
/** Times that a whole group is tried again before it is taken apart. */
const MAX_WHOLE_TRIES = 3

/** The primary key of transaction ids: somebody repeats a request that an earlier process answered. */
const TRANSACTION_KEY = 'transaction_ids_pkey'

/** A batch that failed, or a part of it, on its way to the one that is at fault. */
interface Group {
  readonly units: readonly WorkUnit[]
  readonly tries: number
}

/**
 * Group commit: everything that has been planned when the last batch is through goes into the next transaction. One
 * batch at a time, so that heads move in the order they were planned.
 *
 * When a batch fails, what it said about its rooms is not so, and whatever was planned on top of it is not either: the heads are
 * read again, and the units planned and written anew, in halves, until the one at fault stands alone and fails alone.
 * Nobody else plans meanwhile (`recovered`).
 */
export class BatchWriter {
  readonly #parts: WriterParts
  #pending: WorkUnit[] = []
  #running: Promise<void> | undefined
  #recovery: Promise<void> | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  /** Undefined: plans may be made. Otherwise to be awaited, and asked again. */
  get recovered(): Promise<void> | undefined {
    return this.#recovery
  }

  submit(unit: WorkUnit): void {
    this.#pending.push(unit)
    this.#running ??= this.#run()
  }

  /** Ends when everything submitted so far is settled. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    try {
      // What arrives in the same turn of the event loop goes into the same batch.
      await new Promise((resolve) => setImmediate(resolve))
      while (this.#pending.length > 0) {
        const units = this.#takeBatch()
        const error = await this.#write(units)
        if (error !== undefined) await this.#recover(units, error)
        await this.#parts.mayWrite()
      }
    } finally {
      this.#running = undefined
    }
  }

  #takeBatch(): WorkUnit[] {
    let events = 0
    let bytes = 0
    let count = 0
    for (const { planned } of this.#pending) {
      events += planned.length
      for (const { event } of planned) bytes += event.facts.json.length
      if (count > 0 && (events > MAX_EVENTS || bytes > MAX_BYTES)) break
      count++
    }
    return this.#pending.splice(0, count)
  }

  /** Answers the error that made the transaction fail; undefined: it is durable and everybody has been told. */
  async #write(units: readonly WorkUnit[]): Promise<Failure | undefined> {
    const { database, clock, context } = this.#parts
    const batch = units.flatMap(({ planned }) => planned)
    const placement = new Placement(batch)
    let delivered: () => void = () => undefined
    const hold = new Promise<void>((resolve) => {
      delivered = resolve
    })
    try {
      const statements = new BatchStatements(batch, placement, context.time.now())
      await writeBatch(database, clock, statements, {
        beforeOutcome: (first) => {
          if (placement.count > 0) clock.hold(first, hold)
        },
        committed: (first) => void this.#settle(units, batch, placement, first).then(delivered),
      })
      return undefined
    } catch (error) {
      delivered()
      return { error }
    }
  }

  /** Right after COMMIT: memory follows, senders are answered, readers are told. */
  async #settle(
    units: readonly WorkUnit[],
    batch: readonly PlannedEvent[],
    placement: Placement,
    first: number,
  ): Promise<void> {
    const { context, feed, bus, onCommitted, deliver, log } = this.#parts
    place(batch, placement, first)
    this.#commitHeads(batch)
    const redacted = this.#cacheEvents(batch)
    for (const planned of batch) context.settle(planned)
    const entries = entriesOf(batch)
    try {
      onCommitted(entries)
      bus.publish(REDACTED_TOPIC, redacted)
    } catch (error) {
      // What is durable is answered, whatever those think of it who keep copies.
      log.error({ err: error }, 'a cache could not follow a commit')
    }
    for (const unit of units) unit.written()
    publish(feed, entries)
    await deliver(entries)
  }

  #commitHeads(batch: readonly PlannedEvent[]): void {
    const changes = new Map<RoomHead, KeyChange[]>()
    for (const planned of batch) {
      const list = changes.get(planned.room) ?? []
      changes.set(planned.room, list)
      for (const { tuple, event } of planned.changes) list.push({ tuple, eventNid: event?.nid })
    }
    for (const [room, point] of lastPoints(batch)) {
      room.storedVersion++
      room.isNew = false
      room.commit(point, changes.get(room) ?? [])
    }
  }

  /** Answers the nids of redacted events, as text: keys of the bus. */
  #cacheEvents(batch: readonly PlannedEvent[]): string[] {
    const redacted: string[] = []
    for (const { event, redactions } of batch) {
      this.#parts.events.replace(event)
      for (const { pruned } of redactions) {
        this.#parts.events.replace(pruned)
        redacted.push(String(pruned.nid))
      }
    }
    return redacted
  }

  async #recover(units: readonly WorkUnit[], failure: Failure): Promise<void> {
    let open: () => void = () => undefined
    this.#recovery = new Promise((resolve) => {
      open = resolve
    })
    try {
      const later = this.#pending
      this.#pending = []
      this.#giveUp([...units, ...later])
      // Without a database nothing can be planned anew: whoever waited learns it at once, not one time-out after the other.
      const rest = isDatabaseGone(failure.error)
        ? apart({ units: later, tries: 0 }, failure)
        : [{ units: later, tries: 0 }]
      const groups: Group[] = [...apart({ units, tries: 1 }, failure), ...rest]
      for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
        groups.unshift(...(await this.#retry(group)))
      }
    } finally {
      this.#recovery = undefined
      open()
    }
  }

  /** Answers the groups that are still to be tried. */
  async #retry(group: Group): Promise<Group[]> {
    const live: WorkUnit[] = []
    let later: readonly WorkUnit[] = []
    let gone: Failure | undefined
    for (const [index, unit] of group.units.entries()) {
      try {
        const replanned = gone === undefined ? await unit.replan() : 'answered'
        if (gone !== undefined) unit.failed(gone.error)
        else if (replanned === 'planned') live.push(unit)
        else if (replanned === 'later') {
          later = group.units.slice(index)
          break
        }
      } catch (error) {
        unit.failed(error)
        if (isDatabaseGone(error)) gone = { error }
      }
    }
    const rest = later.length === 0 ? [] : [{ units: later, tries: 0 }]
    if (live.length === 0) return rest
    const failure = await this.#write(live)
    if (failure === undefined) return rest
    this.#giveUp(live)
    return [...apart({ units: live, tries: group.tries + 1 }, failure), ...rest]
  }

  /** Heads go first: releasing one that is dropped leaves it dropped. */
  #giveUp(units: readonly WorkUnit[]): void {
    const { heads, context, log } = this.#parts
    heads.drop(new Set(units.flatMap(({ planned }) => planned.map(({ room }) => room))))
    for (const { planned } of units) for (const one of planned) context.settle(one)
    log.debug({ units: units.length }, 'a batch failed and is taken apart')
  }
}

/** Keys are nids of events whose text a redaction has replaced. */
export const REDACTED_TOPIC = 'roomserver.redacted'

interface Failure {
  readonly error: unknown
}

/** What to try next after a failure. Units without a way out are told. */
function apart({ units, tries }: Group, { error }: Failure): Group[] {
  if (isDatabaseGone(error)) {
    for (const unit of units) unit.failed(error)
    return []
  }
  if (mayPassWhole(error) && tries < MAX_WHOLE_TRIES) return [{ units, tries }]
  if (units.length === 1) {
    units[0]?.failed(error)
    return []
  }
  const middle = Math.ceil(units.length / 2)
  return [
    { units: units.slice(0, middle), tries: 0 },
    { units: units.slice(middle), tries: 0 },
  ]
}

function isDatabaseGone(error: unknown): boolean {
  return error instanceof DatabaseUnavailable || error instanceof DatabaseFull
}

/** Planned anew, the same units may pass: the head is read again, and a repeated transaction finds its event. */
function mayPassWhole(error: unknown): boolean {
  return error instanceof HeadMoved || (error instanceof ConstraintViolation && error.constraint === TRANSACTION_KEY)
}

function place(batch: readonly PlannedEvent[], placement: Placement, first: number): void {
  const put = (event: StoredEvent): void => {
    const position = placement.of(event.nid, first)
    if (position !== undefined) event.placeAt(position)
  }
  for (const { event, releasedRedactions, redactions } of batch) {
    put(event)
    for (const redaction of releasedRedactions) put(redaction)
    for (const { target, pruned } of redactions) {
      if (pruned.position === undefined && target.position !== undefined) pruned.placeAt(target.position)
    }
  }
}
