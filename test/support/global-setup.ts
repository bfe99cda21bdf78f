import type { TestProject } from 'vitest/node'
import { migrate } from '../../src/platform/migrate.js'
import { adminQuery, startTestPostgres, TEMPLATE_DATABASE, withDatabase } from './postgres.js'

/** One PostgreSQL per run, with a migrated database that every test clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startTestPostgres()
  try {
    await adminQuery(postgres.connectionString, `CREATE DATABASE ${TEMPLATE_DATABASE} TEMPLATE template0`)
    await migrate({ connectionString: withDatabase(postgres.connectionString, TEMPLATE_DATABASE) })
    await adminQuery(postgres.connectionString, `ALTER DATABASE ${TEMPLATE_DATABASE} WITH IS_TEMPLATE true`)
  } catch (error) {
    await postgres.stop()
    throw error
  }
  project.provide('postgresUrl', postgres.connectionString)
  return () => postgres.stop()
}
