import type { Database, Executor } from './database.js'
import { statement } from './statement.js'

const SELECT_FACTS = statement<{ fact: string; value: string }>(
  'platform.installation.select',
  'SELECT fact, value FROM platform.installation',
)
const INSERT_FACT = statement<never, [fact: string, value: string]>(
  'platform.installation.insert',
  'INSERT INTO platform.installation (fact, value) VALUES ($1, $2) ON CONFLICT (fact) DO UPDATE SET value = excluded.value',
)
const SELECT_TABLES = statement<{ name: string }, [names: string[]]>(
  'platform.installation.tables',
  `SELECT DISTINCT table_name::text AS name FROM information_schema.tables
   WHERE table_name = ANY($1::text[]) AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
)

/** What was recorded about this installation: empty on a new database. */
export async function installationFacts(database: Database): Promise<Map<string, string>> {
  const rows = await database.run(SELECT_FACTS)
  return new Map(rows.map(({ fact, value }) => [fact, value]))
}

export async function recordInstallationFact(executor: Executor, fact: string, value: string): Promise<void> {
  await executor.run(INSERT_FACT, fact, value)
}

/** Which of these tables the database has, in any schema: to recognise another program's data. */
export async function tablesAmong(database: Database, names: readonly string[]): Promise<Set<string>> {
  const rows = await database.run(SELECT_TABLES, [...names])
  return new Set(rows.map(({ name }) => name))
}
