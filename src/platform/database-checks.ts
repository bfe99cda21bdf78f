/** Whether a PostgreSQL that somebody else runs is fit for the server. Each check throws with the way out in its text. */
import pg from 'pg'
import { normaliseConnectionString } from './connection-string.js'
import type { Database } from './database.js'
import { typedDatabaseError } from './database-error.js'
import { statement } from './statement.js'

/** The database is not one that the server can work on. */
export class DatabaseRefused extends Error {
  override name = 'DatabaseRefused'
}

const describeDatabase = statement<{
  name: string
  encoding: string
  collation: string
  ctype: string
  version: number
  provider: string
}>(
  'platform.checks.describe',
  `SELECT datname::text AS name, pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation,
          datctype::text AS ctype, current_setting('server_version_num')::int AS version,
          -- PostgreSQL 14 has no such column.
          coalesce(to_jsonb(pg_database) ->> 'datlocprovider', 'c') AS provider
     FROM pg_database WHERE datname = current_database()`,
)

const OLDEST_MAJOR = 14
const NEWEST_MAJOR = 18
/** All of them order strings by their bytes; others order them by a language, and differently after a system upgrade. */
const BYTE_ORDERS = new Set(['c', 'posix', 'c.utf-8', 'c.utf8'])

/** UTF8, locale C, PostgreSQL 14 to 18. Throws DatabaseRefused. A newer PostgreSQL is a remark, which is returned. */
export async function checkEncoding(database: Database): Promise<string | undefined> {
  const [found] = await database.run(describeDatabase)
  if (found === undefined) throw new DatabaseRefused('the database does not describe itself')
  const major = Math.floor(found.version / 10_000)
  if (major < OLDEST_MAJOR) {
    throw new DatabaseRefused(`PostgreSQL ${major} is too old: version ${OLDEST_MAJOR} or newer is needed`)
  }
  const remedy =
    `Make a new database with \`CREATE DATABASE ${found.name}_utf8 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' ` +
    "LC_CTYPE 'C'`, and name that one in the connection string."
  if (found.encoding !== 'UTF8') {
    throw new DatabaseRefused(`the database ${found.name} has the encoding ${found.encoding}, not UTF8. ${remedy}`)
  }
  if (found.provider === 'i' || !BYTE_ORDERS.has(found.collation.toLowerCase())) {
    const collation = found.provider === 'i' ? 'of ICU' : found.collation
    throw new DatabaseRefused(`the database ${found.name} has the collation ${collation}, not C. ${remedy}`)
  }
  if (!BYTE_ORDERS.has(found.ctype.toLowerCase())) {
    throw new DatabaseRefused(`the database ${found.name} has the character type ${found.ctype}, not C. ${remedy}`)
  }
  return major > NEWEST_MAJOR ? `PostgreSQL ${major} is newer than what this version was tested with` : undefined
}

/**
 * A pooler in transaction mode gives each transaction another session: prepared statements and locks land on sessions
 * that others use. Two clients tell: while one is inside a transaction, the other must still be on its own session.
 */
export async function checkNoTransactionPooler(connectionString: string): Promise<void> {
  const options = {
    connectionString: normaliseConnectionString(connectionString),
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    application_name: 'neurite-check',
  }
  const first = new pg.Client(options)
  const second = new pg.Client(options)
  for (const client of [first, second]) client.on('error', () => undefined)
  let shared: boolean
  try {
    await Promise.all([first.connect(), second.connect()])
    shared = await sharesSessions(first, second)
  } catch (error) {
    throw typedDatabaseError(error, 'checking for a pooler')
  } finally {
    for (const client of [first, second]) await client.end().catch(() => undefined)
  }
  if (!shared) return
  throw new DatabaseRefused(
    'the connection string leads to a pooler in transaction mode (PgBouncer with pool_mode=transaction, or alike), which ' +
      "breaks prepared statements and locks. Use PostgreSQL's direct address, or a pool in session mode.",
  )
}

async function sharesSessions(first: pg.Client, second: pg.Client): Promise<boolean> {
  const sessionOf = async (client: pg.Client): Promise<number | undefined> => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    return rows[0]?.pid
  }
  const before = await sessionOf(first)
  await second.query('BEGIN')
  try {
    const other = await sessionOf(second)
    // A pooler with a single session to give makes this wait: then it is one, too.
    const after = await sessionOf(first).catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('timeout')) return undefined
      throw error
    })
    return other === before || after !== before
  } finally {
    await second.query('ROLLBACK').catch(() => undefined)
  }
}
