import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { commitOutcome } from './commit-outcome.js'
import { type ConnectionGuard, ConnectionPool, ReservedConnection } from './connection-pool.js'
import { DatabaseUnavailable, isServerRefusal, sqlStateOf, typedDatabaseError } from './database-error.js'
import { PipelinedStatement, sendPipeline } from './pipeline.js'
import type { SqlValue, Statement } from './statement.js'
import {
  type Attempt,
  ClientTransaction,
  conclude,
  mayWrite,
  spoilsSession,
  type UnknownOutcome,
} from './transaction.js'

export {
  ConstraintViolation,
  DatabaseFull,
  DatabaseUnavailable,
  SerializationConflict,
  StatementFailed,
  StatementTimeout,
  UnencodableText,
} from './database-error.js'

/** Runs statements: the pool itself, or one transaction. Executor first, so that the transaction cannot be forgotten. */
export interface Executor {
  /** All rows. int8 columns arrive as numbers (an unsafe one throws), text is decoded by the injective encoder. */
  run<Row, Params extends readonly SqlValue[]>(statement: Statement<Row, Params>, ...params: Params): Promise<Row[]>
}

/**
 * Statements that are started without awaiting one another (`Promise.all([tx.run(a), tx.run(b)])`) are sent in one
 * round trip, in order.
 */
export interface Transaction extends Executor {
  /** Runs after COMMIT has succeeded, in the order registered; never after a rollback. The only way to tell anybody. */
  afterCommit(action: () => void): void
  /** Runs once the outcome is final, whatever it is: positions are settled here. */
  afterOutcome(action: () => void): void
}

export interface Database extends Executor {
  /**
   * BEGIN, body, COMMIT on one client. Retried up to 5 times with jitter on 40001 and 40P01, so the body must be
   * re-runnable. When the connection is lost during COMMIT the call does not return before the outcome is known
   * (`pg_xact_status`): it then returns normally if the transaction committed.
   */
  transaction<T>(body: (tx: Transaction) => Promise<T>): Promise<T>
  /** Counts every statement sent, BEGIN and COMMIT included; for tests and metrics. */
  readonly statementsSent: number
  /** Called with each statement's name as it is sent (BEGIN and COMMIT too). Returns the way to stop. */
  onStatement(listener: (name: string) => void): () => void
  close(): Promise<void>
}

/** What `openDatabase` gives: the database, and what the parts that look after it need. */
export interface OpenDatabase extends Database {
  readonly connectionString: string
  /** A connection outside the pool: for the instance lock and the health check, which must go on when it is exhausted. */
  readonly reserved: Executor
  /** Refuses connections made from now on when `guard` throws (the instance lock's fence). */
  guardConnections(guard: ConnectionGuard): void
}

export interface DatabaseOptions {
  /** A PostgreSQL URL or keyword/value string. */
  readonly connectionString: string
  readonly maxConnections?: number
  readonly idleTimeoutMs?: number
  readonly maxLifetimeMs?: number
  /** The server cancels a statement that runs longer: StatementTimeout. */
  readonly statementTimeoutMs?: number
  /** How long a caller waits for a connection before DatabaseUnavailable. */
  readonly acquireTimeoutMs?: number
  /** Shown in pg_stat_activity; the instance lock finds a server's connections by it. */
  readonly applicationName?: string
  /** After this long unused a connection is asked whether it still lives before it is used. */
  readonly pingAfterMs?: number
  /** What `afterCommit` and `afterOutcome` actions throw. By default it is thrown from the event loop. */
  readonly onError?: (error: unknown) => void
}

/** The first try and five more. */
const ATTEMPTS = 6

type AnyStatement = Statement<unknown, readonly SqlValue[]>

/** Connects once to see that the database answers. Throws DatabaseUnavailable. */
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  const database = new PooledDatabase(options)
  try {
    await database.probe()
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

class PooledDatabase implements OpenDatabase {
  readonly connectionString: string
  readonly reserved: Executor
  readonly #pool: ConnectionPool
  readonly #reserved: ReservedConnection
  readonly #listeners = new Set<(name: string) => void>()
  readonly #closed = new AbortController()
  readonly #onError: (error: unknown) => void
  #statementsSent = 0

  constructor(options: DatabaseOptions) {
    this.#onError = options.onError ?? throwLater
    this.connectionString = options.connectionString
    this.#pool = new ConnectionPool({
      connectionString: options.connectionString,
      maxConnections: options.maxConnections ?? 10,
      idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
      maxLifetimeMs: options.maxLifetimeMs ?? 0,
      statementTimeoutMs: options.statementTimeoutMs ?? 60_000,
      acquireTimeoutMs: options.acquireTimeoutMs ?? 5_000,
      applicationName: options.applicationName ?? 'neurite',
      pingAfterMs: options.pingAfterMs ?? 1_000,
    })
    this.#reserved = new ReservedConnection(this.#pool)
    this.reserved = {
      run: (statement, ...params) => {
        this.#count(statement.name)
        return this.#reserved.run(statement, params)
      },
    }
  }

  get statementsSent(): number {
    return this.#statementsSent
  }

  onStatement(listener: (name: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  guardConnections(guard: ConnectionGuard): void {
    this.#pool.guard(guard)
  }

  async probe(): Promise<void> {
    this.#pool.release(await this.#pool.acquire(), false)
  }

  async run<Row, Params extends readonly SqlValue[]>(
    statement: Statement<Row, Params>,
    ...params: Params
  ): Promise<Row[]> {
    const plain = statement as AnyStatement
    for (let mayRepeat = true; ; mayRepeat = false) {
      const sent = new PipelinedStatement(plain, params)
      try {
        return (await this.#runOnce(sent)) as Row[]
      } catch (error) {
        const repeat = mayRepeat && isConnectionLoss(error) && (!mayWrite(plain) || wasNotRun(sent, error))
        if (!repeat) throw typedDatabaseError(error, statement.name)
      }
    }
  }

  async transaction<T>(body: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const ended = await this.#attempt(body)
      if (ended.kind === 'committed') return ended.result
      if (!ended.retry || attempt === ATTEMPTS || this.#closed.signal.aborted) throw ended.error
      await pause(randomInt(1, 10 * 2 ** attempt))
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#reserved.close()
    await this.#pool.close()
  }

  /** Throws the driver's errors. */
  async #runOnce(sent: PipelinedStatement): Promise<unknown[]> {
    const client = await this.#pool.acquire()
    this.#count(sent.statement.name)
    let broken = false
    try {
      await sendPipeline(client, [sent], this.#pool.deadlineMs)
      return await sent.done
    } catch (error) {
      broken = spoilsSession(error)
      if (broken) this.#pool.suspectAll()
      throw error
    } finally {
      this.#pool.release(client, broken)
    }
  }

  async #attempt<T>(body: (tx: Transaction) => Promise<T>): Promise<Attempt<T>> {
    const client = await this.#pool.acquire()
    const tx = new ClientTransaction(client, this.#pool.deadlineMs, (name) => this.#count(name))
    let ended: Attempt<T>
    try {
      const concluded = await conclude(tx, body)
      if (tx.broken) this.#pool.suspectAll()
      this.#pool.release(client, tx.broken)
      ended = concluded.kind === 'unknown' ? await this.#settle(concluded) : concluded
    } catch (error) {
      // The outcome could not be learnt before the database was closed.
      ended = { kind: 'failed', error, retry: false }
    }
    tx.tell(ended.kind === 'committed', this.#onError)
    return ended
  }

  async #settle<T>(lost: UnknownOutcome<T>): Promise<Attempt<T>> {
    const outcome = await commitOutcome(this.#pool, lost.xid, lost.backendPid, this.#closed.signal)
    if (outcome === 'committed') return { kind: 'committed', result: lost.result }
    return { kind: 'failed', error: lost.error, retry: true }
  }

  #count(name: string): void {
    this.#statementsSent++
    for (const listener of this.#listeners) listener(name)
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** The connection broke under a statement; one that could not be had in the first place is DatabaseUnavailable already. */
function isConnectionLoss(error: unknown): boolean {
  return error instanceof Error && !(error instanceof DatabaseUnavailable) && !isServerRefusal(error)
}

/** The server ended the session itself and had completed nothing: what was sent has been rolled back or never read. */
function wasNotRun(sent: PipelinedStatement, error: unknown): boolean {
  return sent.command === '' && sqlStateOf(error) === '57P01'
}
