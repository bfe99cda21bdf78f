import { statement } from '../../../platform/statement.js'
import type { EventId } from '../../../protocol/ids.js'

export interface TransactionRow {
  readonly event_id: EventId
  readonly position: number
}

export const SELECT_TRANSACTION = statement<
  TransactionRow,
  [userId: string, deviceId: string, path: string, txnId: string]
>(
  'roomserver.transaction_ids.select',
  `SELECT t.event_id, coalesce(e.position, 0) AS position
  FROM roomserver.transaction_ids t JOIN roomserver.events e ON e.event_id = t.event_id
  WHERE t.user_id = $1 AND t.device_id = $2 AND t.path = $3 AND t.txn_id = $4`,
)

/** The ones that no client repeats any more. */
export const DELETE_TRANSACTIONS_BEFORE = statement<never, [createdBefore: number]>(
  'roomserver.transaction_ids.delete_before',
  'DELETE FROM roomserver.transaction_ids WHERE created_ts < $1',
)
