/**
 * One server at a time on a database. The holder's row in platform.instance_lock carries a generation and a beat by the
 * database's clock. Taking over raises the generation first and ends the old holder's connections after: each new
 * connection of a server compares the generation with its own, so one that was frozen (SIGSTOP, a paused machine) finds
 * its connections ended and can open none to write through.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Database, OpenDatabase } from './database.js'
import { DatabaseUnavailable } from './database-error.js'
import { isAlive } from './embedded-process.js'
import type { Log } from './log.js'
import { statement } from './statement.js'
import { type Clock, systemClock } from './time.js'

export interface InstanceLockOptions {
  readonly database: OpenDatabase
  /** The name that all this server's connections carry (`instanceApplicationName`): they are found and ended by it. */
  readonly applicationName: string
  /** Where commands reach this server: a URL. Empty when it is not listening. */
  readonly address: string
  /** Called once, when another server has taken over: nothing more can be written, and the process had best end. */
  readonly onLost: () => void
  readonly log: Log
  readonly time?: Clock
  /** How long to wait for a holder to go, as in a rolling deploy. */
  readonly waitMs?: number
  /** Ends the wait with InstanceLockRefused. */
  readonly signal?: AbortSignal
}

export interface InstanceLock {
  readonly instanceId: string
  /** What a command shows the running server; new at each start. */
  readonly secret: string
  readonly held: boolean
  /** Lets the next server in at once. */
  release(): Promise<void>
}

export interface LockHolder {
  readonly address: string
  readonly secret: string
}

/** Another server is running on this database and does not go away. */
export class InstanceLockRefused extends Error {
  override name = 'InstanceLockRefused'
}

const BEAT_EVERY_MS = 5_000
const RETRY_BEAT_MS = 1_000
const POLL_EVERY_MS = 250
/** Silence after which a holder is taken for dead, whatever else is seen of it. */
const SILENCE_MS = 30_000
/** A holder without any connection is gone, unless the database was just restarted: its next beat then shows it. */
const UNCONNECTED_MS = BEAT_EVERY_MS + 3_000
const WAIT_MS = 60_000

interface LockRow {
  readonly generation: number
  readonly instance_id: string | null
  readonly hostname: string | null
  readonly pid: number | null
  readonly silent_ms: number
  readonly connections: number
}

const readLock = statement<LockRow>(
  'platform.instance_lock.read',
  `SELECT generation, instance_id, hostname, pid,
          (extract(epoch FROM clock_timestamp() - beat_at) * 1000)::int8 AS silent_ms,
          (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'neurite:' || instance_id) AS connections
     FROM platform.instance_lock`,
)
const takeLock = statement<
  { generation: number },
  [generation: number, id: string, address: string, secret: string, hostname: string, pid: number]
>(
  'platform.instance_lock.take',
  `UPDATE platform.instance_lock
      SET generation = generation + 1, instance_id = $2, address = $3, secret = $4, hostname = $5, pid = $6,
          beat_at = clock_timestamp()
    WHERE generation = $1 RETURNING generation`,
)
const endConnections = statement<{ remaining: number }, [applicationName: string]>(
  'platform.instance_lock.end_connections',
  // The count is of those that were there: callers repeat until there are none.
  `SELECT count(pg_terminate_backend(pid)) AS remaining FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()`,
)
const beat = statement<{ generation: number }, [generation: number]>(
  'platform.instance_lock.beat',
  `UPDATE platform.instance_lock SET beat_at = clock_timestamp() WHERE generation = $1 RETURNING generation`,
)
const readGeneration = statement<{ generation: number }>(
  'platform.instance_lock.generation',
  'SELECT generation FROM platform.instance_lock',
)
const releaseLock = statement<{ generation: number }, [generation: number]>(
  'platform.instance_lock.release',
  `UPDATE platform.instance_lock SET instance_id = NULL, address = NULL, secret = NULL, hostname = NULL, pid = NULL
    WHERE generation = $1 RETURNING generation`,
)
const selectHolder = statement<{ address: string; secret: string }>(
  'platform.instance_lock.holder',
  `SELECT address, secret FROM platform.instance_lock
    WHERE instance_id IS NOT NULL AND address <> '' AND beat_at > clock_timestamp() - interval '30 seconds'`,
)

/** A name for all connections of one server: `openDatabase`'s `applicationName` when the lock is to be taken. */
export function instanceApplicationName(): string {
  return `neurite:${randomUUID()}`
}

/** The server that holds the lock now, for commands that ask it to do their work; undefined when there is none. */
export async function readHolder(database: Database): Promise<LockHolder | undefined> {
  const [row] = await database.run(selectHolder)
  return row
}

/** Waits for a holder to go; throws InstanceLockRefused when it stays. */
export async function acquireInstanceLock(options: InstanceLockOptions): Promise<InstanceLock> {
  const time = options.time ?? systemClock
  const instanceId = options.applicationName.slice(options.applicationName.indexOf(':') + 1)
  const secret = randomBytes(32).toString('base64url')
  const generation = await waitForTurn(options, time, instanceId, secret)
  const lock = new HeldLock(options, time, { instanceId, secret, generation })
  options.database.guardConnections(async (run) => {
    const [row] = await run(readGeneration)
    if (row?.generation === generation) return
    lock.lose()
    throw new DatabaseUnavailable('another server has taken over this database')
  })
  return lock
}

async function waitForTurn(
  { database, address, log, waitMs = WAIT_MS, signal }: InstanceLockOptions,
  time: Clock,
  instanceId: string,
  secret: string,
): Promise<number> {
  const since = time.monotonic()
  let unconnectedSince: number | undefined
  for (let announced = false; ; announced = true) {
    const [row] = await database.run(readLock)
    if (row === undefined) throw new InstanceLockRefused('the row of platform.instance_lock is missing')
    const now = time.monotonic()
    unconnectedSince = row.connections === 0 ? (unconnectedSince ?? now) : undefined
    if (isFree(row, unconnectedSince === undefined ? 0 : now - unconnectedSince)) {
      const parameters = [row.generation, instanceId, address, secret, hostname(), process.pid] as const
      const [taken] = await database.run(takeLock, ...parameters)
      if (taken !== undefined) {
        if (row.instance_id !== null) await endOldServer(database, time, row.instance_id)
        return taken.generation
      }
    } else if (now - since > waitMs) {
      throw new InstanceLockRefused(
        `another server (host ${row.hostname}, process ${row.pid}) is running on this database. One database serves one ` +
          'server: stop the other, or give this one a database of its own.',
      )
    } else if (!announced) {
      log.warn({ host: row.hostname, pid: row.pid }, 'another server is running on this database: waiting for it to go')
    }
    await time.sleep(POLL_EVERY_MS, signal)
    if (signal?.aborted === true) throw new InstanceLockRefused('told to stop while waiting for another server to go')
  }
}

function isFree(row: LockRow, unconnectedMs: number): boolean {
  if (row.instance_id === null || row.silent_ms > SILENCE_MS) return true
  if (row.connections > 0) return false
  return unconnectedMs >= UNCONNECTED_MS || (row.hostname === hostname() && !processLives(row.pid))
}

/** In a container that was restarted the old process had our own pid. */
function processLives(pid: number | null): boolean {
  return pid !== null && pid !== process.pid && isAlive(pid)
}

async function endOldServer(database: Database, time: Clock, oldInstanceId: string): Promise<void> {
  for (;;) {
    const [row] = await database.run(endConnections, `neurite:${oldInstanceId}`)
    if (row === undefined || row.remaining === 0) return
    await time.sleep(50)
  }
}

class HeldLock implements InstanceLock {
  readonly instanceId: string
  readonly secret: string
  readonly #generation: number
  readonly #database: OpenDatabase
  readonly #onLost: () => void
  readonly #log: Log
  readonly #stopped = new AbortController()
  readonly #beating: Promise<void>
  #held = true

  constructor(
    { database, onLost, log }: InstanceLockOptions,
    time: Clock,
    identity: { readonly instanceId: string; readonly secret: string; readonly generation: number },
  ) {
    this.instanceId = identity.instanceId
    this.secret = identity.secret
    this.#generation = identity.generation
    this.#database = database
    this.#onLost = onLost
    this.#log = log
    this.#beating = this.#beat(time)
  }

  get held(): boolean {
    return this.#held
  }

  lose(): void {
    if (!this.#held || this.#stopped.signal.aborted) return
    this.#held = false
    this.#stopped.abort()
    this.#log.fatal('another server has taken over this database: this one no longer writes')
    this.#onLost()
  }

  async release(): Promise<void> {
    this.#stopped.abort()
    await this.#beating
    if (!this.#held) return
    this.#held = false
    await this.#database.reserved.run(releaseLock, this.#generation)
  }

  async #beat(time: Clock): Promise<void> {
    let pause = BEAT_EVERY_MS
    while (!this.#stopped.signal.aborted) {
      await time.sleep(pause, this.#stopped.signal)
      if (this.#stopped.signal.aborted) return
      try {
        const rows = await this.#database.reserved.run(beat, this.#generation)
        if (rows.length === 0) this.lose()
        pause = BEAT_EVERY_MS
      } catch (error) {
        // The database is away: the generation guards what is written until the beat is heard again.
        this.#log.warn({ err: error }, 'the instance lock could not be renewed')
        pause = RETRY_BEAT_MS
      }
    }
  }
}
