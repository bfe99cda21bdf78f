/** The database cannot be reached, or did not give a client in time: 503 with Retry-After at the edge. */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable'
}

/** A statement ran longer than the statement timeout and was cancelled. Only its own request fails. */
export class StatementTimeout extends DatabaseUnavailable {
  override name = 'StatementTimeout'
}

/** A constraint was violated (SQLSTATE class 23). */
export class ConstraintViolation extends Error {
  override name = 'ConstraintViolation'
  readonly constraint: string

  constructor(message: string, constraint: string, options?: ErrorOptions) {
    super(message, options)
    this.constraint = constraint
  }
}

/** The disk is full, or the server read-only (53100, 25006): 507 at the edge. */
export class DatabaseFull extends Error {
  override name = 'DatabaseFull'
}

/** A string that no UTF-8 text can hold (a lone surrogate) was bound. The edge refuses such input before. */
export class UnencodableText extends Error {
  override name = 'UnencodableText'
}

/** Two transactions got into each other's way (40001, 40P01): running the transaction again is the remedy. */
export class SerializationConflict extends Error {
  override name = 'SerializationConflict'
}

/** Any other refusal by the server: a fault of the program. `sqlState` is PostgreSQL's five letters. */
export class StatementFailed extends Error {
  override name = 'StatementFailed'
  readonly sqlState: string

  constructor(message: string, sqlState: string, options?: ErrorOptions) {
    super(message, options)
    this.sqlState = sqlState
  }
}

/** True of an error that came from the server and left the connection usable; all others mean it is gone. */
export function isServerRefusal(error: unknown): boolean {
  const severity = fieldOf(error, 'severity')
  return sqlStateOf(error) !== undefined && severity !== 'FATAL' && severity !== 'PANIC'
}

export function sqlStateOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code')
  // Node's own codes (ECONNRESET, EPIPE) sit in the same field.
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : undefined
}

/** Gives the driver's errors the types that callers can act upon. Values that were bound are never in the text. */
export function typedDatabaseError(error: unknown, during: string): Error {
  if (error instanceof UnencodableText || error instanceof DatabaseUnavailable) return error
  const message = `${during}: ${error instanceof Error ? error.message : String(error)}`
  const sqlState = sqlStateOf(error)
  const options = { cause: error }
  if (sqlState === undefined || !isServerRefusal(error)) {
    return sqlState === '53100' ? new DatabaseFull(message, options) : new DatabaseUnavailable(message, options)
  }
  switch (sqlState) {
    case '40001':
    case '40P01':
      return new SerializationConflict(message, options)
    case '53100':
    case '25006':
      return new DatabaseFull(message, options)
    case '57014':
      return new StatementTimeout(message, options)
  }
  const kind = sqlState.slice(0, 2)
  if (kind === '23') return new ConstraintViolation(message, fieldOf(error, 'constraint') ?? '', options)
  if (kind === '08' || kind === '53' || sqlState.startsWith('57P')) return new DatabaseUnavailable(message, options)
  return new StatementFailed(message, sqlState, options)
}

function fieldOf(error: unknown, field: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const value: unknown = Reflect.get(error, field)
  return typeof value === 'string' ? value : undefined
}
