import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it } from 'vitest'
import { allStatements } from '../../src/platform/statement.js'
import { createTestDatabase } from '../support/database.js'

const SOURCE = join(import.meta.dirname, '..', '..', 'src')
/** They are commands that PREPARE does not take. */
const TRANSACTION_CONTROL = /^(BEGIN|COMMIT|ROLLBACK)$/

it('every statement of the program prepares on a migrated database, under a name of its own', async () => {
  const files = (await readdir(SOURCE, { recursive: true })).filter(
    (path) => path.endsWith('.ts') && (/(^|\/)store\//.test(path) || path.startsWith('platform/')),
  )
  for (const file of files) await import(join(SOURCE, file))
  const test = await createTestDatabase()
  const failures: string[] = []
  const prepared = [...allStatements()].filter(({ sql }) => !TRANSACTION_CONTROL.test(sql))
  const client = new pg.Client({ connectionString: test.connectionString })
  await client.connect()
  // As the program's own sessions: a table without its schema is not found.
  await client.query('SET search_path = pg_catalog')
  for (const { name, sql } of prepared) {
    await client.query(`PREPARE "${name}" AS ${sql}`).catch((error: unknown) => {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
  await client.end()
  await test.close()
  expect(failures).toEqual([])
  expect(prepared.length).toBeGreaterThan(10)
})
