import { statement } from '../../../platform/statement.js'

/** Returns nothing when the device has used the id before. */
export const INSERT_TO_DEVICE_TRANSACTION = statement<
  { txn_id: string },
  [userId: string, deviceId: string, eventType: string, txnId: string, now: number]
>(
  'keyserver.to_device_transactions.insert',
  `INSERT INTO keyserver.to_device_transactions (user_id, device_id, event_type, txn_id, sent_ts)
   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING txn_id`,
)

export const DELETE_OLD_TO_DEVICE_TRANSACTIONS = statement<never, [before: number]>(
  'keyserver.to_device_transactions.prune',
  'DELETE FROM keyserver.to_device_transactions WHERE sent_ts < $1',
)
