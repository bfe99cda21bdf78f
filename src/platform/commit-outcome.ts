import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { type ConnectionPool, runOnClient } from './connection-pool.js'
import { DatabaseUnavailable, sqlStateOf } from './database-error.js'
import { statement } from './statement.js'

const xactStatus = statement<{ status: string | null }, [xid: string]>(
  'platform.outcome.status',
  'SELECT pg_catalog.pg_xact_status($1::xid8) AS status',
)
const endBackend = statement<{ ended: boolean }, [pid: number]>(
  'platform.outcome.end_backend',
  'SELECT pg_catalog.pg_terminate_backend($1) AS ended',
)

const ASK_TIMEOUT_MS = 5_000
const RETRY_MS = 100
/** The old connection's backend may be stuck in a write to a peer that is gone. */
const END_BACKEND_AFTER_MS = 3_000

/**
 * What became of a transaction whose connection was lost during COMMIT. Does not return before that is final; the
 * database may be away for long. Throws DatabaseUnavailable only when `closing` fires.
 */
export async function commitOutcome(
  pool: ConnectionPool,
  xid: string,
  backendPid: number,
  closing: AbortSignal,
): Promise<'committed' | 'aborted'> {
  const since = performance.now()
  while (!closing.aborted) {
    const status = await askOnce(pool, xid, performance.now() - since > END_BACKEND_AFTER_MS ? backendPid : undefined)
    if (status !== undefined) return status
    await pause(RETRY_MS, undefined, { signal: closing }).catch(() => undefined)
  }
  throw new DatabaseUnavailable(`the database was closed before the outcome of transaction ${xid} was known`)
}

async function askOnce(
  pool: ConnectionPool,
  xid: string,
  backendToEnd: number | undefined,
): Promise<'committed' | 'aborted' | undefined> {
  let client: pg.Client | undefined
  try {
    client = await pool.connectSeparately()
    const [row] = await runOnClient(client, xactStatus, [xid], ASK_TIMEOUT_MS)
    if (row?.status === 'committed' || row?.status === 'aborted') return row.status
    if (row?.status === 'in progress' && backendToEnd !== undefined) {
      await runOnClient(client, endBackend, [backendToEnd], ASK_TIMEOUT_MS)
    }
    return undefined
  } catch (error) {
    // An id from the future: a failover to a server that never got this transaction.
    return sqlStateOf(error) === '22023' ? 'aborted' : undefined
  } finally {
    await client?.end().catch(() => undefined)
  }
}
