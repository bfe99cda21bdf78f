/** What may be bound to a statement. Strings pass the one checked encoder of `database.ts`. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly (string | number | bigint | boolean | null)[]

/** A named, prepared SQL statement. `Row` is what it returns, `Params` what it binds, in order. */
export interface Statement<Row, Params extends readonly SqlValue[]> {
  readonly name: string
  readonly sql: string
  /** Carries the types only. */
  readonly types?: { row: Row; params: Params }
}

const registry = new Map<string, Statement<unknown, readonly SqlValue[]>>()

/**
 * Declares a statement: `statement<{ id: number }, [name: string]>('userapi.accounts.select', 'SELECT ...')`.
 * The name is schema.table.verb, unique in the program: PostgreSQL prepares it under that name once per connection.
 */
export function statement<Row = never, Params extends readonly SqlValue[] = []>(
  name: string,
  sql: string,
): Statement<Row, Params> {
  if (registry.has(name)) throw new Error(`two statements are named ${name}`)
  if (name.length > 63) throw new Error(`statement name too long for PostgreSQL: ${name}`)
  const declared = { name, sql }
  registry.set(name, declared)
  return declared
}

/** Every statement that the imported modules have declared: a test prepares each on a migrated database. */
export function allStatements(): Iterable<Statement<unknown, readonly SqlValue[]>> {
  return registry.values()
}
