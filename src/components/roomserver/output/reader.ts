import { DatabaseUnavailable } from '../../../platform/database.js'
import type { Log } from '../../../platform/log.js'
import type { Clock } from '../../../platform/time.js'
import type { OutputEntry, OutputReader } from '../api.js'

/** Entries that a reader is given at once. */
const PAGE = 500
/** Tries of an entry before it is parked: the stream must go on. */
const MAX_TRIES = 3
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 5_000

/**
 * Gives a reader its entries, in order, each until it is done with it. A page that fails is given again entry by entry; an entry
 * that keeps failing is parked with a log line. While the database is away nothing is parked: it is not the entry's fault.
 */
export class ReaderRun {
  readonly #reader: OutputReader
  readonly #time: Clock
  readonly #log: Log
  readonly #signal: AbortSignal

  constructor(reader: OutputReader, time: Clock, log: Log, signal: AbortSignal) {
    this.#reader = reader
    this.#time = time
    this.#log = log
    this.#signal = signal
  }

  async read(entries: readonly OutputEntry[]): Promise<void> {
    for (let start = 0; start < entries.length && !this.#signal.aborted; start += PAGE) {
      const page = entries.slice(start, start + PAGE)
      if ((await this.#try(page)) === undefined) continue
      for (const entry of page) await this.#readOne(entry)
    }
  }

  async #readOne(entry: OutputEntry): Promise<void> {
    let pause = FIRST_PAUSE_MS
    for (let tries = 0; !this.#signal.aborted; ) {
      const failure = await this.#try([entry])
      if (failure === undefined) return
      if (!(failure.error instanceof DatabaseUnavailable)) tries++
      if (tries === MAX_TRIES) {
        this.#park(entry, failure.error)
        return
      }
      await this.#time.sleep(pause, this.#signal)
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
  }

  async #try(entries: readonly OutputEntry[]): Promise<{ readonly error: unknown } | undefined> {
    try {
      await this.#reader.read(entries)
      return undefined
    } catch (error) {
      return { error }
    }
  }

  #park(entry: OutputEntry, error: unknown): void {
    const { position, roomId, event } = entry
    this.#log.error(
      { err: error, reader: this.#reader.name, position, room_id: roomId, event_id: event?.eventId },
      'an entry of the room log could not be read and is left out',
    )
  }
}
