import type { ClientBase, Connection, Submittable } from 'pg'
import { encodeValue, parserOf } from './sql-encoding.js'
import type { SqlValue, Statement } from './statement.js'

/** One result column: its name and how its text is read. */
interface Column {
  readonly name: string
  readonly parse: (text: string) => unknown
}

/** The parts of the driver's protocol connection that are used; its published types are older than the driver. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void; destroy(error?: Error): void }
  parse(message: { name: string; text: string }): void
  bind(message: { portal: string; statement: string; values: readonly (string | Buffer | null)[] }): void
  describe(message: { type: 'P'; name: string }): void
  execute(message: { portal: string; rows: number }): void
  close(message: { type: 'S'; name: string }): void
  sync(): void
}

interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
}

/** What one connection has prepared: statement name -> columns, or undefined until they have been described. */
class PreparedStatements {
  readonly columns = new Map<string, readonly Column[] | undefined>()
  /** Parsed in a pipeline that failed: the server may or may not know them. */
  readonly doubtful = new Set<string>()
}

const prepared = new WeakMap<object, PreparedStatements>()

function preparedOn(connection: object): PreparedStatements {
  let known = prepared.get(connection)
  if (known === undefined) {
    known = new PreparedStatements()
    prepared.set(connection, known)
  }
  return known
}

type AnyStatement = Statement<unknown, readonly SqlValue[]>
type Row = Record<string, unknown>

/** One statement on its way: what it binds, and the promise of its rows. */
export class PipelinedStatement {
  readonly statement: AnyStatement
  readonly values: readonly (string | Buffer | null)[]
  readonly rows: Row[] = []
  readonly done: Promise<Row[]>
  columns: readonly Column[] | undefined
  /** The first word of the server's completion: `COMMIT`, `ROLLBACK`, `INSERT`, ... */
  command = ''
  failure: unknown
  #resolve: (rows: Row[]) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  /** Throws when a value cannot be encoded. */
  constructor(statement: AnyStatement, params: readonly SqlValue[]) {
    this.statement = statement
    this.values = params.map(encodeValue)
    this.done = new Promise<Row[]>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Several statements of a batch fail at once; the caller may be looking at one of them only.
    this.done.catch(() => undefined)
  }

  addRow(fields: readonly (string | null)[]): void {
    const columns = this.columns ?? []
    const row: Row = {}
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]
      const text = fields[index]
      if (column === undefined) continue
      row[column.name] = text === null || text === undefined ? null : column.parse(text)
    }
    this.rows.push(row)
  }

  settle(): void {
    if (this.failure === undefined) this.#resolve(this.rows)
    else this.#reject(this.failure)
  }

  fail(error: unknown): void {
    this.#reject(error)
  }
}

/**
 * Statements sent to the server together and answered together: one round trip, one Sync. Outside a transaction block
 * the server treats them as one transaction. The first that fails fails all that follow it.
 */
export class Pipeline implements Submittable {
  readonly ended: Promise<void>
  readonly #statements: readonly PipelinedStatement[]
  readonly #timer: NodeJS.Timeout
  readonly #deadline: Error
  #end: () => void = () => undefined
  #known: PreparedStatements | undefined
  #wire: Wire | undefined
  #current = 0
  readonly #parsedHere: string[] = []

  /** When the server is silent for `deadlineMs` the connection is cut: a frozen server must not hold its callers. */
  constructor(statements: readonly PipelinedStatement[], deadlineMs: number) {
    this.#statements = statements
    this.#deadline = new Error(`no answer from the database for ${deadlineMs} ms`)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#timer = setTimeout(() => this.#wire?.stream.destroy(this.#deadline), deadlineMs)
  }

  submit(connection: Connection): void {
    const wire = connection as unknown as Wire
    const known = preparedOn(connection)
    this.#wire = wire
    this.#known = known
    wire.stream.cork()
    try {
      for (const item of this.#statements) this.#send(wire, known, item)
      wire.sync()
    } finally {
      wire.stream.uncork()
    }
  }

  #send(wire: Wire, known: PreparedStatements, item: PipelinedStatement): void {
    const { name, sql } = item.statement
    if (known.doubtful.delete(name)) wire.close({ type: 'S', name })
    if (!known.columns.has(name)) {
      wire.parse({ name, text: sql })
      known.columns.set(name, undefined)
      this.#parsedHere.push(name)
    }
    wire.bind({ portal: '', statement: name, values: item.values })
    item.columns = known.columns.get(name)
    if (item.columns === undefined) wire.describe({ type: 'P', name: '' })
    wire.execute({ portal: '', rows: 0 })
  }

  handleRowDescription(message: RowDescription): void {
    const item = this.#statements[this.#current]
    if (item === undefined) return
    item.columns = message.fields.map((field) => ({ name: field.name, parse: parserOf(field.dataTypeID) }))
  }

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    const item = this.#statements[this.#current]
    if (item === undefined || item.failure !== undefined) return
    try {
      item.addRow(message.fields)
    } catch (error) {
      item.failure = error
    }
  }

  handleCommandComplete(message: { readonly text?: string }): void {
    const item = this.#statements[this.#current++]
    if (item === undefined) return
    item.command = message.text?.split(' ', 1)[0] ?? ''
    if (this.#known?.columns.get(item.statement.name) === undefined) {
      this.#known?.columns.set(item.statement.name, item.columns ?? [])
    }
  }

  handleEmptyQuery(): void {
    this.#current++
  }

  handlePortalSuspended(): void {}

  handleReadyForQuery(): void {
    clearTimeout(this.#timer)
    for (const item of this.#statements) item.settle()
    this.#end()
  }

  /** The connection stays in use after a refusal by the server, which has skipped everything up to the Sync. */
  handleError(error: unknown): void {
    clearTimeout(this.#timer)
    for (const name of this.#parsedHere) {
      this.#known?.columns.delete(name)
      this.#known?.doubtful.add(name)
    }
    // An error after all have completed is that of the implicit commit: then none of them has come to anything.
    const completed = this.#current < this.#statements.length ? this.#current : 0
    for (const [index, item] of this.#statements.entries()) {
      if (index < completed) item.settle()
      else item.fail(error)
    }
    this.#end()
  }
}

/** Sends the statements on a client and ends when all of them have been answered, well or not. Never rejects. */
export function sendPipeline(
  client: ClientBase,
  statements: readonly PipelinedStatement[],
  deadlineMs: number,
): Promise<void> {
  const pipeline = new Pipeline(statements, deadlineMs)
  client.query(pipeline)
  return pipeline.ended
}
