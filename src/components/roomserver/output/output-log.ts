/**
 * Hands what has been committed to its readers, in order and from memory: to one of them before it is visible, to the
 * others when it is. A reader that has fallen too far behind, or that starts at an old cursor, reads the stored log until it is up to date.
 */
import type { Database } from '../../../platform/database.js'
import type { Log } from '../../../platform/log.js'
import type { StreamClock } from '../../../platform/stream-clock.js'
import type { Clock } from '../../../platform/time.js'
import type { ServerName } from '../../../protocol/ids.js'
import type { OutputEntry, OutputReader } from '../api.js'
import type { EventCache } from '../event-cache.js'
import { ReaderRun } from './reader.js'
import { readStoredLog } from './stored-log.js'

/** Entries that wait in memory for a log reader before it is sent to the stored log. */
const MAX_WAITING = 10_000
/** Entries that wait for the reader before visibility before the writer waits too. */
const MAX_UNREAD = 2_000
/** Entries of the stored log per read. */
const CATCH_UP_PAGE = 500
/** Rest after a read of the stored log that failed. */
const RETRY_MS = 1_000

export interface OutputLogParts {
  readonly database: Database
  readonly clock: StreamClock
  readonly events: EventCache
  readonly serverName: ServerName
  readonly time: Clock
  readonly log: Log
}

export class OutputLog {
  readonly #parts: OutputLogParts
  readonly #stopping = new AbortController()
  readonly #followers: Follower[] = []
  #first: FirstReader | undefined
  #stopListening: () => void = () => undefined

  constructor(parts: OutputLogParts) {
    this.#parts = parts
  }

  start(): void {
    this.#stopListening = this.#parts.clock.onAdvance(() => {
      for (const follower of this.#followers) follower.wake()
    })
    for (const follower of this.#followers) follower.wake()
  }

  /** Ends when the readers have returned from what they are at. */
  async stop(): Promise<void> {
    this.#stopListening()
    this.#stopping.abort()
    await this.idle()
  }

  /** Ends when every reader has had everything that is visible. */
  async idle(): Promise<void> {
    await this.#first?.idle()
    await Promise.all(this.#followers.map((follower) => follower.idle()))
  }

  readBeforeVisible(reader: OutputReader): void {
    if (this.#first !== undefined) throw new Error('there is a reader before visibility already')
    const { time, log } = this.#parts
    this.#first = new FirstReader(new ReaderRun(reader, time, log, this.#stopping.signal))
  }

  readLog(reader: OutputReader, since: number | undefined): void {
    const { time, log, clock } = this.#parts
    const run = new ReaderRun(reader, time, log, this.#stopping.signal)
    const read = (after: number, upTo: number) => this.#stored(after, upTo, CATCH_UP_PAGE)
    const onError = (error: unknown) => log.error({ err: error, reader: reader.name }, 'the room log could not be read')
    const parts = { run, clock, time, stored: read, signal: this.#stopping.signal, onError }
    const follower = new Follower(parts, since)
    this.#followers.push(follower)
    follower.wake()
  }

  /** Ends when the entries may become visible. */
  deliver(entries: readonly OutputEntry[]): Promise<void> {
    for (const follower of this.#followers) follower.add(entries)
    return this.#first?.add(entries) ?? Promise.resolve()
  }

  /** Ends when the reader before visibility has few enough entries before it; undefined: it has. */
  mayWrite(): Promise<void> | undefined {
    return this.#first?.mayAdd()
  }

  logAfter(position: number, limit: number): Promise<OutputEntry[]> {
    return this.#stored(position, this.#parts.clock.visible, limit)
  }

  #stored(after: number, upTo: number, limit: number): Promise<OutputEntry[]> {
    const { database, events, serverName } = this.#parts
    return readStoredLog(database, events, serverName, { after, upTo, limit })
  }
}

/** The reader whose work belongs to the entry: what has come together is read together. */
class FirstReader {
  readonly #run: ReaderRun
  #waiting: OutputEntry[] = []
  #current: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(run: ReaderRun) {
    this.#run = run
  }

  add(entries: readonly OutputEntry[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve()
    this.#waiting.push(...entries)
    if (this.#current === undefined) return this.#start()
    this.#next ??= this.#current.then(() => {
      this.#next = undefined
      return this.#start()
    })
    return this.#next
  }

  mayAdd(): Promise<void> | undefined {
    return this.#waiting.length > MAX_UNREAD ? this.#current : undefined
  }

  async idle(): Promise<void> {
    for (let work = this.#current ?? this.#next; work !== undefined; work = this.#current ?? this.#next) await work
  }

  #start(): Promise<void> {
    const entries = this.#waiting
    this.#waiting = []
    const current = this.#run.read(entries).finally(() => {
      if (this.#current === current) this.#current = undefined
    })
    this.#current = current
    return current
  }
}

/** What a follower needs of its surroundings. */
interface FollowerParts {
  readonly run: ReaderRun
  readonly clock: StreamClock
  readonly time: Clock
  readonly signal: AbortSignal
  readonly stored: (after: number, upTo: number) => Promise<OutputEntry[]>
  readonly onError: (error: unknown) => void
}

/** A reader of what is visible. */
class Follower {
  readonly #parts: FollowerParts
  /** Undefined: everything the reader lacks is in `#waiting`. Otherwise it reads the stored log from there. */
  #cursor: number | undefined
  #waiting: OutputEntry[] = []
  /** Entries up to here have been let go of, since the reader was too far behind. */
  #lostUpTo = 0
  #working: Promise<void> | undefined

  constructor(parts: FollowerParts, since: number | undefined) {
    this.#parts = parts
    this.#cursor = since
  }

  add(entries: readonly OutputEntry[]): void {
    this.#waiting.push(...entries)
    const oldest = this.#waiting[0]
    const newest = this.#waiting.at(-1)
    if (this.#waiting.length <= MAX_WAITING || oldest === undefined || newest === undefined) return
    this.#cursor ??= oldest.position - 1
    this.#lostUpTo = newest.position
    this.#waiting = []
  }

  wake(): void {
    if (this.#working !== undefined || this.#parts.signal.aborted || !this.#hasWork()) return
    this.#working = this.#work().finally(() => {
      this.#working = undefined
    })
  }

  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  #hasWork(): boolean {
    const next = this.#waiting[0]
    return this.#cursor !== undefined || (next !== undefined && next.position <= this.#parts.clock.visible)
  }

  async #work(): Promise<void> {
    while (this.#hasWork() && !this.#parts.signal.aborted) {
      if (this.#cursor === undefined) await this.#parts.run.read(this.#takeVisible())
      else await this.#catchUp(this.#cursor)
    }
  }

  #takeVisible(): OutputEntry[] {
    const { visible } = this.#parts.clock
    const beyond = this.#waiting.findIndex(({ position }) => position > visible)
    return this.#waiting.splice(0, beyond === -1 ? this.#waiting.length : beyond)
  }

  /** One page of the stored log. When it reaches what is visible, the rest comes from memory again, unless that was lost. */
  async #catchUp(cursor: number): Promise<void> {
    const { clock, stored, run, time, signal, onError } = this.#parts
    const { visible } = clock
    try {
      const entries = await stored(cursor, visible)
      await run.read(entries)
      const atEnd = entries.length < CATCH_UP_PAGE
      this.#cursor = atEnd ? visible : entries.at(-1)?.position
      if (!atEnd || this.#lostUpTo > visible) return
      this.#cursor = undefined
      this.#waiting = this.#waiting.filter(({ position }) => position > visible)
    } catch (error) {
      onError(error)
      await time.sleep(RETRY_MS, signal)
    }
  }
}
