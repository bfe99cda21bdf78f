import { inject } from 'vitest'
import { type DatabaseOptions, type OpenDatabase, openDatabase } from '../../src/platform/database.js'
import { adminQuery, TEMPLATE_DATABASE, uniqueName, withDatabase } from './postgres.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The maintenance database of the run's PostgreSQL. */
    postgresUrl: string
  }
}

export interface TestDatabase {
  readonly connectionString: string
  readonly database: OpenDatabase
  /** Closes `database` and drops what is behind it, whoever else is connected. */
  close(): Promise<void>
}

export interface TestDatabaseOptions extends Omit<DatabaseOptions, 'connectionString'> {
  /** False gives a database without any of our schemas. */
  readonly migrated?: boolean
}

/** A migrated database of the test's own, at the price of a file copy. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { migrated = true, ...databaseOptions } = options
  const admin = inject('postgresUrl')
  const name = uniqueName('test')
  const template = migrated ? TEMPLATE_DATABASE : 'template0'
  await adminQuery(admin, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`)
  const connectionString = withDatabase(admin, name)
  const database = await openDatabase({ maxConnections: 8, ...databaseOptions, connectionString })
  return {
    connectionString,
    database,
    async close() {
      await database.close()
      await adminQuery(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}
