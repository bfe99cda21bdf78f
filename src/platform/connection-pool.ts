import type { ClientBase, PoolClient } from 'pg'
import pg from 'pg'
import { normaliseConnectionString } from './connection-string.js'
import { DatabaseUnavailable, isServerRefusal, typedDatabaseError } from './database-error.js'
import { PipelinedStatement, sendPipeline } from './pipeline.js'
import { type SqlValue, type Statement, statement } from './statement.js'

export interface PoolOptions {
  readonly connectionString: string
  readonly maxConnections: number
  /** An unused connection above this age is closed. */
  readonly idleTimeoutMs: number
  /** A connection is replaced at this age; 0: never. */
  readonly maxLifetimeMs: number
  readonly statementTimeoutMs: number
  /** How long a caller waits for a connection before DatabaseUnavailable. */
  readonly acquireTimeoutMs: number
  readonly applicationName: string
  /** After this long unused a connection is asked whether it still lives: proxies cut idle ones without a word. */
  readonly pingAfterMs: number
}

/** Refuses a new connection by throwing; used to keep a server that lost its lock from coming back. */
export type ConnectionGuard = (run: ClientRunner) => Promise<void>
export type ClientRunner = <Row, Params extends readonly SqlValue[]>(
  statement: Statement<Row, Params>,
  ...params: Params
) => Promise<Row[]>

const configureSession = statement<{ ok: boolean }, [timeout: string, idleTimeout: string]>(
  'platform.session.configure',
  `SELECT set_config('statement_timeout', $1, false) IS NOT NULL
      AND set_config('idle_in_transaction_session_timeout', $2, false) IS NOT NULL
      AND set_config('default_transaction_isolation', 'read committed', false) IS NOT NULL
      AND set_config('search_path', 'pg_catalog', false) IS NOT NULL
      -- An answered request must survive a power cut, whatever the server's default is.
      AND set_config('synchronous_commit',
            CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
                 ELSE current_setting('synchronous_commit') END, false) IS NOT NULL AS ok`,
)
const ping = statement('platform.session.ping', 'SELECT')

const PING_TIMEOUT_MS = 2_000
const RESERVED_TIMEOUT_MS = 5_000
/** Beyond the server's own timeout: the server itself must have gone silent. */
const SILENCE_MARGIN_MS = 5_000

/** The pool of connections: bounded, self-healing, and never giving out one that is known to be dead. */
export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #pool: pg.Pool
  readonly #lastUsed = new WeakMap<object, number>()
  #guard: ConnectionGuard | undefined
  /** Connections last used before this are dead: one that was idle like them has failed its ping. */
  #deadBefore = 0
  #suspectBefore = Number.NEGATIVE_INFINITY
  /** Just released: whoever asks within this turn of the event loop gets it without the pool's bookkeeping. */
  #hot: PoolClient | undefined
  #closing: Promise<void> | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.#pool = new pg.Pool({
      ...this.#clientOptions(),
      max: options.maxConnections,
      idleTimeoutMillis: options.idleTimeoutMs,
      maxLifetimeSeconds: Math.ceil(options.maxLifetimeMs / 1000),
      onConnect: (client) => this.#prepareClient(client),
    })
    // The pool has already replaced the connection that an idle error belongs to.
    this.#pool.on('error', () => undefined)
  }

  get deadlineMs(): number {
    return this.#options.statementTimeoutMs + SILENCE_MARGIN_MS
  }

  /** Applies to connections made from now on. */
  guard(guard: ConnectionGuard): void {
    this.#guard = guard
  }

  /** Throws DatabaseUnavailable when there is none within the acquire timeout. */
  async acquire(): Promise<PoolClient> {
    for (;;) {
      const client = this.#takeHot() ?? (await this.#connect())
      const lastUsed = this.#lastUsed.get(client)
      if (lastUsed === undefined) return client
      if (lastUsed < this.#deadBefore) {
        this.release(client, true)
        continue
      }
      const isFresh = performance.now() - lastUsed < this.#options.pingAfterMs && lastUsed > this.#suspectBefore
      const askedAt = performance.now()
      if (isFresh || (await this.#answers(client))) return client
      this.#deadBefore = Math.max(this.#deadBefore, askedAt)
      this.release(client, true)
    }
  }

  /** A connection was lost: those that were last used before now may be, too. */
  suspectAll(): void {
    this.#suspectBefore = performance.now()
  }

  release(client: PoolClient, broken: boolean): void {
    this.#lastUsed.set(client, performance.now())
    if (broken || this.#hot !== undefined || this.#pool.waitingCount > 0 || this.#closing !== undefined) {
      client.release(broken)
      return
    }
    this.#hot = client
    setImmediate(this.#cool)
  }

  /** A connection of its own, outside the pool's limit: for work that must not wait behind requests. */
  async connectSeparately(): Promise<pg.Client> {
    if (this.#closing !== undefined) throw new DatabaseUnavailable('the database is closed')
    const client = new pg.Client(this.#clientOptions())
    client.on('error', () => undefined)
    try {
      await client.connect()
      await this.#configure(client)
    } catch (error) {
      void client.end().catch(() => undefined)
      throw typedDatabaseError(error, 'connect')
    }
    return client
  }

  close(): Promise<void> {
    this.#cool()
    this.#closing ??= this.#pool.end()
    return this.#closing
  }

  readonly #cool = (): void => {
    this.#takeHot()?.release()
  }

  #takeHot(): PoolClient | undefined {
    const client = this.#hot
    this.#hot = undefined
    return client
  }

  #clientOptions(): pg.ClientConfig {
    return {
      connectionString: normaliseConnectionString(this.#options.connectionString),
      application_name: this.#options.applicationName,
      connectionTimeoutMillis: this.#options.acquireTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    }
  }

  async #connect(): Promise<PoolClient> {
    if (this.#closing !== undefined) throw new DatabaseUnavailable('the database is closed')
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw typedDatabaseError(error, 'connect')
    }
  }

  async #prepareClient(client: ClientBase): Promise<void> {
    // A connection may break while it is checked out and nothing is running on it.
    client.on('error', () => undefined)
    await this.#configure(client)
    const run: ClientRunner = (statement, ...params) =>
      runOnClient(client, statement, params, this.#options.acquireTimeoutMs)
    await this.#guard?.(run)
  }

  async #configure(client: ClientBase): Promise<void> {
    const timeout = String(this.#options.statementTimeoutMs)
    await runOnClient(client, configureSession, [timeout, timeout], this.#options.acquireTimeoutMs)
  }

  async #answers(client: PoolClient): Promise<boolean> {
    try {
      await runOnClient(client, ping, [], PING_TIMEOUT_MS)
      return true
    } catch {
      return false
    }
  }
}

/**
 * One connection outside the pool, kept open: for the few things that must go on while the pool is exhausted (the
 * instance lock, the health check). Statements run one after the other.
 */
export class ReservedConnection {
  readonly #pool: ConnectionPool
  #client: pg.Client | undefined
  #tail: Promise<unknown> = Promise.resolve()

  constructor(pool: ConnectionPool) {
    this.#pool = pool
  }

  /** Errors are typed. A connection that fails is replaced at the next call. */
  run<Row, Params extends readonly SqlValue[]>(statement: Statement<Row, Params>, params: Params): Promise<Row[]> {
    const result = this.#tail.then(() => this.#runNow(statement, params))
    this.#tail = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    await this.#tail
    await this.#client?.end().catch(() => undefined)
    this.#client = undefined
  }

  async #runNow<Row, Params extends readonly SqlValue[]>(
    statement: Statement<Row, Params>,
    params: Params,
  ): Promise<Row[]> {
    this.#client ??= await this.#connect()
    const client = this.#client
    try {
      return await runOnClient(client, statement, params, RESERVED_TIMEOUT_MS)
    } catch (error) {
      if (!isServerRefusal(error)) {
        this.#client = undefined
        void client.end().catch(() => undefined)
      }
      throw typedDatabaseError(error, statement.name)
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = await this.#pool.connectSeparately()
    client.once('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    return client
  }
}

/** One statement on a client that the caller holds. Errors are the driver's. */
export async function runOnClient<Row, Params extends readonly SqlValue[]>(
  client: ClientBase,
  statement: Statement<Row, Params>,
  params: Params,
  deadlineMs: number,
): Promise<Row[]> {
  const sent = new PipelinedStatement(statement as Statement<unknown, readonly SqlValue[]>, params)
  await sendPipeline(client, [sent], deadlineMs)
  return (await sent.done) as Row[]
}
