import { statement } from '../../../platform/statement.js'

export interface DestinationRow {
  readonly failures: number
  readonly retry_ts: number | null
}

export const SELECT_DESTINATION = statement<DestinationRow, [serverName: string]>(
  'federationclient.destinations.select',
  'SELECT failures, retry_ts FROM federationclient.destinations WHERE server_name = $1',
)

export const UPSERT_DESTINATION = statement<never, [serverName: string, failures: number, retryTs: number | null]>(
  'federationclient.destinations.upsert',
  `INSERT INTO federationclient.destinations (server_name, failures, retry_ts) VALUES ($1, $2, $3)
   ON CONFLICT (server_name) DO UPDATE SET failures = excluded.failures, retry_ts = excluded.retry_ts`,
)

export const DELETE_DESTINATION = statement<never, [serverName: string]>(
  'federationclient.destinations.delete',
  'DELETE FROM federationclient.destinations WHERE server_name = $1',
)
