import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StatementFailed } from '../../src/platform/database.js'
import { MigrationRefused, migrate, packagedMigrations } from '../../src/platform/migrate.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'

let test: TestDatabase
let directory: string
beforeEach(async () => {
  test = await createTestDatabase({ migrated: false })
  directory = await mkdtemp(join(tmpdir(), 'neurite-migrations-'))
})
afterEach(async () => {
  await test.close()
  await rm(directory, { recursive: true })
})

async function write(path: string, sql: string): Promise<void> {
  const [schema = ''] = path.split('/')
  await mkdir(join(directory, schema), { recursive: true })
  await writeFile(join(directory, path), sql)
}
const run = () => migrate({ connectionString: test.connectionString, directory })
const refusal = () =>
  run().then(
    () => 'applied',
    (error: unknown) => (error instanceof MigrationRefused ? error.message : error),
  )

describe('migrations', () => {
  it('the packaged ones are found and apply to an empty database once', async () => {
    const first = await migrate({ connectionString: test.connectionString })
    expect(first[0]).toMatch(/^platform\/0001-/)
    expect(await migrate({ connectionString: test.connectionString })).toEqual([])
    expect(packagedMigrations()).toMatch(/migrations$/)
  })

  it('only new files are applied, in their order', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    expect(await run()).toEqual(['rooms/0001-first.sql'])
    await write('rooms/0002-second.sql', 'ALTER TABLE rooms.a ADD b int; INSERT INTO rooms.a VALUES (1, 2)')
    expect(await run()).toEqual(['rooms/0002-second.sql'])
    expect(await adminQuery(test.connectionString, 'SELECT * FROM rooms.a')).toEqual([{ id: 1, b: 2 }])
  })

  it('one that fails leaves nothing of itself, and the next start goes on from there (F6)', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    await write('rooms/0002-second.sql', 'CREATE TABLE rooms.b (id int); SELECT nonsense')
    await expect(run()).rejects.toBeInstanceOf(StatementFailed)
    await write('rooms/0002-second.sql', 'CREATE TABLE rooms.b (id int)')
    expect(await run()).toEqual(['rooms/0002-second.sql'])
  })

  it('a process that dies in the middle of one leaves nothing of it (F6)', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int); SELECT pg_terminate_backend(pg_backend_pid())')
    await expect(run()).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    expect(await run()).toEqual(['rooms/0001-first.sql'])
  })

  it('a database newer than the program is refused (F6)', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    await write('rooms/0002-second.sql', 'CREATE TABLE rooms.b (id int)')
    await run()
    await rm(join(directory, 'rooms/0002-second.sql'))
    expect(await refusal()).toContain('newer than this program')
  })

  it('an edited migration is refused', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    await run()
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id bigint)')
    expect(await refusal()).toContain('never edited')
  })

  it('half a schema is refused: tables without records, records with a gap (F6)', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int)')
    await adminQuery(test.connectionString, 'CREATE SCHEMA rooms; CREATE TABLE rooms.stray (id int)')
    expect(await refusal()).toContain('rooms.stray')
    await adminQuery(test.connectionString, 'DROP TABLE rooms.stray')
    await write('rooms/0002-second.sql', 'CREATE TABLE rooms.b (id int)')
    await run()
    await adminQuery(test.connectionString, 'DELETE FROM platform.migrations WHERE number = 1')
    expect(await refusal()).toContain('half state')
  })

  it('two programs that start at once apply each migration once', async () => {
    await write('rooms/0001-first.sql', 'CREATE TABLE rooms.a (id int); SELECT pg_sleep(0.05)')
    const applied = await Promise.all([run(), run(), run()])
    expect(applied.flat()).toEqual(['rooms/0001-first.sql'])
  })

  it('waits for another program no longer than it was told', async () => {
    const other = new pg.Client({ connectionString: test.connectionString })
    await other.connect()
    await other.query('SELECT pg_advisory_lock(7302611944)')
    const waiting = migrate({ connectionString: test.connectionString, directory, lockWaitMs: 50 })
    await expect(waiting).rejects.toThrow('another process is migrating')
    await other.end()
  })
})
