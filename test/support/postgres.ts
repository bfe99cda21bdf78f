import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.js'
import { isAlive } from '../../src/platform/embedded-process.js'

/** The database that is migrated once per run and cloned for each test. */
export const TEMPLATE_DATABASE = 'neurite_template'

export interface TestPostgres {
  /** Of the cluster's maintenance database, as superuser. */
  readonly connectionString: string
  readonly directory: string
  stop(): Promise<void>
}

const ROOM_BYTES = 2 ** 30
const PREFIX = 'neurite-test-'

/** A new folder, in memory where there is enough of it: cloning a database is the making of 300 files. */
export async function fastFolder(): Promise<string> {
  let parent = tmpdir()
  try {
    const { bavail, bsize } = await statfs('/dev/shm')
    if (bavail * bsize > ROOM_BYTES) parent = '/dev/shm'
  } catch {
    // Not on this system.
  }
  await removeLeftovers(parent)
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-`))
}

/** What a run that was killed could not remove; the name says whose it is. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (Number.isSafeInteger(pid) && pid !== process.pid && !isAlive(pid)) {
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined)
    }
  }
}

/** A PostgreSQL for this run of the tests alone, in a temporary folder that `stop` removes. Forgets on power loss. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const folder = await fastFolder()
  // PostgreSQL runs as another user when the tests run as root.
  await chmod(folder, 0o711)
  const removeFolder = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', removeFolder)
  try {
    const postgres = await startEmbeddedPostgres({
      directory: join(folder, 'pg'),
      durable: false,
      maxConnections: 200,
    })
    return {
      connectionString: withDatabase(postgres.connectionString, 'postgres'),
      directory: postgres.directory,
      async stop() {
        await postgres.stop()
        await rm(folder, { recursive: true, force: true, maxRetries: 3 })
        process.removeListener('exit', removeFolder)
      },
    }
  } catch (error) {
    removeFolder()
    throw error
  }
}

export function withDatabase(connectionString: string, database: string): string {
  return connectionString.replace(/(:\/\/[^/]*\/)[^?]*/, `$1${database}`)
}

/** A name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`
}

/** Statements on a connection of their own, outside all that is under test. */
export async function adminQuery<Row extends pg.QueryResultRow>(
  connectionString: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}
