import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { normaliseConnectionString } from './connection-string.js'
import { typedDatabaseError } from './database-error.js'

export interface MigrateOptions {
  readonly connectionString: string
  /** Where `<schema>/NNNN-*.sql` are; by default the package's own `migrations`. */
  readonly directory?: string
  /** How long to wait for another process that is migrating. */
  readonly lockWaitMs?: number
}

/** The database cannot be brought to this program's schema. The text says what is wrong and what to do. */
export class MigrationRefused extends Error {
  override name = 'MigrationRefused'
}

interface Migration {
  readonly schema: string
  readonly number: number
  readonly file: string
  readonly checksum: string
  readonly sql: string
}

interface Recorded {
  readonly schema: string
  readonly number: number
  readonly file: string
  readonly checksum: string
}

/** Any constant will do, as long as it stays the same: the key of the advisory lock "a migration is running". */
const LOCK_KEY = 7_302_611_944

const BOOTSTRAP = `
  CREATE SCHEMA IF NOT EXISTS platform;
  CREATE TABLE IF NOT EXISTS platform.migrations (
    schema text NOT NULL,
    number int NOT NULL,
    file text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema, number)
  )`

/**
 * Brings every schema up to date: each file in a transaction of its own together with its record, under an advisory
 * lock. A crash leaves whole migrations only, and the next start goes on. Returns what was applied (`schema/file`).
 * Throws MigrationRefused for an edited file, a gap, tables without a record, or a database newer than the program.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.directory ?? packagedMigrations())
  const client = new pg.Client({
    connectionString: normaliseConnectionString(options.connectionString),
    application_name: 'neurite-migrate',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    throw typedDatabaseError(error, 'connect')
  }
  try {
    await takeLock(client, options.lockWaitMs ?? 60_000)
    // A migration of a big table may take its time.
    await client.query('SET statement_timeout = 0')
    await client.query(BOOTSTRAP)
    const recorded = await readRecorded(client)
    checkRecorded(migrations, recorded)
    const pending = migrations.filter((migration) => !recorded.some((known) => sameStep(migration, known)))
    await refuseUnrecordedTables(client, pending, recorded)
    for (const migration of pending) await apply(client, migration)
    return pending.map(({ schema, file }) => `${schema}/${file}`)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** `migrations/` beside the nearest package.json: the same from `src/` and from `dist/`. */
export function packagedMigrations(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error('the folder `migrations` of the package is missing')
    directory = parent
  }
  return join(directory, 'migrations')
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const found: Migration[] = []
  const folders = await readdir(directory, { withFileTypes: true })
  for (const folder of folders.filter((entry) => entry.isDirectory())) {
    for (const file of await readdir(join(directory, folder.name))) {
      if (file.endsWith('.sql')) found.push(await readMigration(directory, folder.name, file))
    }
  }
  found.sort(byStep)
  for (const [index, migration] of found.entries()) {
    const before = found[index - 1]
    const expected = before?.schema === migration.schema ? before.number + 1 : 1
    if (migration.number !== expected) {
      throw new MigrationRefused(`migration ${migration.schema}/${migration.file}: the next number is ${expected}`)
    }
  }
  return found
}

async function readMigration(directory: string, schema: string, file: string): Promise<Migration> {
  const number = /^(\d{4})-[a-z0-9-]+\.sql$/.exec(file)?.[1]
  if (number === undefined || !/^[a-z]+$/.test(schema)) {
    throw new MigrationRefused(`${schema}/${file}: migrations are named <schema>/NNNN-what-it-does.sql`)
  }
  const sql = await readFile(join(directory, schema, file), 'utf8')
  const checksum = createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex')
  return { schema, number: Number(number), file, checksum, sql }
}

/** The schema `platform` first, since everything else may lean on it; then by name and number. */
function byStep(a: Migration, b: Migration): number {
  if (a.schema !== b.schema) {
    if (a.schema === 'platform') return -1
    if (b.schema === 'platform') return 1
    return a.schema < b.schema ? -1 : 1
  }
  return a.number - b.number
}

function sameStep(a: Recorded, b: Recorded): boolean {
  return a.schema === b.schema && a.number === b.number
}

async function takeLock(client: pg.Client, waitMs: number): Promise<void> {
  const until = performance.now() + waitMs
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [LOCK_KEY])
    if (rows[0]?.taken === true) return
    if (performance.now() > until) {
      throw new MigrationRefused('another process is migrating this database; start again when it has finished')
    }
    await pause(100)
  }
}

async function readRecorded(client: pg.Client): Promise<Recorded[]> {
  const { rows } = await client.query<Recorded>(
    'SELECT schema, number, file, checksum FROM platform.migrations ORDER BY schema, number',
  )
  return rows
}

function checkRecorded(migrations: readonly Migration[], recorded: readonly Recorded[]): void {
  const highest = new Map<string, number>()
  for (const known of recorded) {
    if (known.number !== (highest.get(known.schema) ?? 0) + 1) {
      throw new MigrationRefused(
        `the database is in a half state: it records ${known.schema}/${known.file} but not the migration before it. ` +
          'Restore a backup.',
      )
    }
    highest.set(known.schema, known.number)
    const migration = migrations.find((candidate) => sameStep(candidate, known))
    if (migration === undefined) {
      throw new MigrationRefused(
        `the database is newer than this program: it has ${known.schema}/${known.file}, which this version does not ` +
          'know. Start the newer version, or restore a backup from before the upgrade.',
      )
    }
    if (migration.file !== known.file || migration.checksum !== known.checksum) {
      throw new MigrationRefused(
        `migration ${migration.schema}/${migration.file} differs from what was applied to this database ` +
          `(as ${known.file}). Migrations are never edited once they are out: restore the file and add a new one.`,
      )
    }
  }
}

/** Tables of ours with no record of how they came about: a partial restore, or somebody else's schema of that name. */
async function refuseUnrecordedTables(
  client: pg.Client,
  pending: readonly Migration[],
  recorded: readonly Recorded[],
): Promise<void> {
  const fresh = new Set(pending.map(({ schema }) => schema))
  fresh.delete('platform')
  for (const { schema } of recorded) fresh.delete(schema)
  const { rows } = await client.query<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_catalog.pg_tables
      WHERE schemaname = ANY ($1::text[]) ORDER BY 1 LIMIT 3`,
    [[...fresh]],
  )
  if (rows.length === 0) return
  throw new MigrationRefused(
    `the database is in a half state: ${rows.map(({ name }) => name).join(', ')} exist without a record in ` +
      'platform.migrations. Restore a complete backup, or use an empty database.',
  )
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const { schema, number, file, checksum, sql } = migration
  try {
    await client.query('BEGIN')
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(schema)}`)
    await client.query(sql)
    await client.query('INSERT INTO platform.migrations (schema, number, file, checksum) VALUES ($1, $2, $3, $4)', [
      schema,
      number,
      file,
      checksum,
    ])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw typedDatabaseError(error, `migration ${schema}/${file}`)
  }
}
