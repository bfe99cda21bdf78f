import type { PoolClient } from 'pg'
import type { Transaction } from './database.js'
import {
  DatabaseUnavailable,
  isServerRefusal,
  SerializationConflict,
  sqlStateOf,
  typedDatabaseError,
} from './database-error.js'
import { PipelinedStatement, sendPipeline } from './pipeline.js'
import { type SqlValue, type Statement, statement } from './statement.js'

const begin = statement('platform.transaction.begin', 'BEGIN')
const commit = statement('platform.transaction.commit', 'COMMIT')
const rollback = statement('platform.transaction.rollback', 'ROLLBACK')
const assignedXid = statement<{ xid: string | null }>(
  'platform.transaction.xid',
  'SELECT pg_catalog.pg_current_xact_id_if_assigned()::text AS xid',
)

type AnyStatement = Statement<unknown, readonly SqlValue[]>

/** How one try of a transaction has ended. */
export type Attempt<T> = Committed<T> | Failed
interface Committed<T> {
  readonly kind: 'committed'
  readonly result: T
}
interface Failed {
  readonly kind: 'failed'
  readonly error: unknown
  readonly retry: boolean
}
/** COMMIT was sent and the connection lost before its answer. */
export interface UnknownOutcome<T> {
  readonly kind: 'unknown'
  readonly result: T
  readonly error: Error
  readonly xid: string
  readonly backendPid: number
}

/** Errors after which a session is not used again: its prepared statements are gone, or the server turned standby. */
const SESSION_SPOILT = new Set(['26000', '42P05', '0A000', '25006', '57014'])

export function spoilsSession(error: unknown): boolean {
  return !isServerRefusal(error) || SESSION_SPOILT.has(sqlStateOf(error) ?? '')
}

const writes = new WeakMap<AnyStatement, boolean>()

/** Whether a statement may assign a transaction id: anything but a plain SELECT. Row locks count as none: they lose nothing. */
export function mayWrite(statement: AnyStatement): boolean {
  let may = writes.get(statement)
  if (may === undefined) {
    may = !/^\s*(select|with|values)\b/i.test(statement.sql) || /\b(insert|update|delete|merge)\b/i.test(statement.sql)
    writes.set(statement, may)
  }
  return may
}

/**
 * One transaction on one client. BEGIN travels with the first statement, and with the first that writes the question
 * for the transaction's id, so that the outcome can be learnt should the connection break during COMMIT: one statement
 * more per writing transaction, and no round trip.
 */
export class ClientTransaction implements Transaction {
  /** The client must not be used again. */
  broken = false
  /** Some statement met a serialization conflict or lost its connection: running the body again may succeed. */
  retryable = false
  readonly #client: PoolClient
  readonly #deadlineMs: number
  readonly #count: (name: string) => void
  readonly #afterCommit: (() => void)[] = []
  readonly #afterOutcome: (() => void)[] = []
  #begun = false
  #over = false
  #waiting: PipelinedStatement[] = []
  #sending: Promise<void> | undefined
  #firstFailure: Error | undefined
  #xid: string | null = null
  #xidAsked: PipelinedStatement | undefined
  #wroteSinceAsked = false

  constructor(client: PoolClient, deadlineMs: number, count: (name: string) => void) {
    this.#client = client
    this.#deadlineMs = deadlineMs
    this.#count = count
  }

  async run<Row, Params extends readonly SqlValue[]>(
    statement: Statement<Row, Params>,
    ...params: Params
  ): Promise<Row[]> {
    if (this.#over) throw new Error(`${statement.name} came after the end of its transaction`)
    const plain = statement as AnyStatement
    const item = new PipelinedStatement(plain, params)
    if (!this.#begun) {
      this.#begun = true
      this.#enqueue(new PipelinedStatement(begin, []))
    }
    this.#enqueue(item)
    if (mayWrite(plain)) this.#noteWrite()
    return (await this.#answer(item, statement.name)) as Row[]
  }

  afterCommit(action: () => void): void {
    this.#afterCommit.push(action)
  }

  afterOutcome(action: () => void): void {
    this.#afterOutcome.push(action)
  }

  /**
   * Tells those who asked, once: first who waits for the commit, so that what they hold back or publish is known when
   * the outcome settles the positions.
   */
  tell(committed: boolean, onError: (error: unknown) => void): void {
    const actions = committed ? [...this.#afterCommit, ...this.#afterOutcome] : this.#afterOutcome
    for (const action of actions) {
      try {
        action()
      } catch (error) {
        // Theirs: it must not look like a failed transaction, nor keep the others from being told.
        onError(error)
      }
    }
  }

  async commit<T>(result: T): Promise<Attempt<T> | UnknownOutcome<T>> {
    this.#over = true
    if (!this.#begun) return { kind: 'committed', result }
    try {
      await this.#idle()
      await this.#learnXid()
    } catch (error) {
      await this.#rollback()
      return { kind: 'failed', error, retry: this.retryable }
    }
    const item = new PipelinedStatement(commit, [])
    try {
      this.#enqueue(item)
      await item.done
    } catch (error) {
      return this.#commitFailed(error, result)
    }
    if (item.command !== 'ROLLBACK') return { kind: 'committed', result }
    const error = this.#firstFailure ?? new Error('the transaction was rolled back')
    return { kind: 'failed', error, retry: this.retryable }
  }

  async abort(error: unknown): Promise<Failed> {
    this.#over = true
    await this.#rollback()
    return { kind: 'failed', error, retry: this.retryable }
  }

  #commitFailed<T>(error: unknown, result: T): Attempt<T> | UnknownOutcome<T> {
    const typed = this.#note(error, 'COMMIT')
    if (isServerRefusal(error)) return { kind: 'failed', error: typed, retry: this.retryable }
    // Nothing was written, so nothing can have been lost.
    if (this.#xid === null) return { kind: 'committed', result }
    return { kind: 'unknown', result, error: typed, xid: this.#xid, backendPid: backendPidOf(this.#client) }
  }

  async #rollback(): Promise<void> {
    if (!this.#begun) return
    await this.#idle()
    if (this.broken) return
    const item = new PipelinedStatement(rollback, [])
    this.#enqueue(item)
    await item.done.catch(() => {
      this.broken = true
    })
  }

  /** The xid is only assigned by the first row that is really written: ask again when later statements wrote. */
  async #learnXid(): Promise<void> {
    await this.#readXid()
    if (this.#xid !== null || !this.#wroteSinceAsked) return
    this.#askXid()
    await this.#readXid()
  }

  async #readXid(): Promise<void> {
    const asked = this.#xidAsked
    if (asked === undefined) return
    const [row] = (await this.#answer(asked, assignedXid.name)) as { xid: string | null }[]
    this.#xid = row?.xid ?? null
  }

  #noteWrite(): void {
    this.#wroteSinceAsked = true
    if (this.#xidAsked === undefined) this.#askXid()
  }

  #askXid(): void {
    this.#wroteSinceAsked = false
    this.#xidAsked = new PipelinedStatement(assignedXid, [])
    this.#enqueue(this.#xidAsked)
  }

  async #answer(item: PipelinedStatement, name: string): Promise<unknown[]> {
    try {
      return await item.done
    } catch (error) {
      throw this.#note(error, name)
    }
  }

  #note(error: unknown, during: string): Error {
    const typed = typedDatabaseError(error, during)
    this.#firstFailure ??= typed
    if (spoilsSession(error)) this.broken = true
    if (typed instanceof SerializationConflict || (typed instanceof DatabaseUnavailable && !isServerRefusal(error))) {
      this.retryable = true
    }
    return typed
  }

  #enqueue(item: PipelinedStatement): void {
    this.#waiting.push(item)
    this.#sending ??= Promise.resolve().then(() => this.#send())
  }

  async #idle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      for (const item of batch) this.#count(item.statement.name)
      await sendPipeline(this.#client, batch, this.#deadlineMs)
    }
    this.#sending = undefined
  }
}

/** Runs the body and ends its transaction. Never rejects. */
export async function conclude<T>(
  tx: ClientTransaction,
  body: (tx: Transaction) => Promise<T>,
): Promise<Attempt<T> | UnknownOutcome<T>> {
  let result: T
  try {
    result = await body(tx)
  } catch (error) {
    return tx.abort(error)
  }
  return tx.commit(result)
}

function backendPidOf(client: PoolClient): number {
  const pid: unknown = Reflect.get(client, 'processID')
  return typeof pid === 'number' ? pid : 0
}
