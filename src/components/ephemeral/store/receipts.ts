import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import type { ReceiptType } from '../api.js'

export interface ReceiptRow {
  readonly room_id: RoomId
  readonly receipt_type: ReceiptType
  readonly user_id: UserId
  /** Empty: unthreaded. */
  readonly thread_id: string
  readonly event_id: EventId
  readonly ts: number
  readonly position: number
}

/** Returns nothing when the receipt stands there already, or further on. */
export const UPSERT_RECEIPT = statement<
  { position: number },
  [
    roomId: string,
    type: string,
    userId: string,
    threadId: string,
    eventId: string,
    order: number,
    ts: number,
    position: number,
  ]
>(
  'ephemeral.receipts.upsert',
  `INSERT INTO ephemeral.receipts AS present
     (room_id, receipt_type, user_id, thread_id, event_id, event_order, ts, position)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
   ON CONFLICT (room_id, receipt_type, user_id, thread_id)
   DO UPDATE SET event_id = EXCLUDED.event_id, event_order = EXCLUDED.event_order, ts = EXCLUDED.ts,
     position = EXCLUDED.position
    WHERE present.event_order < EXCLUDED.event_order
   RETURNING position`,
)

export const SELECT_RECEIPTS_BETWEEN = statement<
  ReceiptRow,
  [roomIds: readonly string[], viewer: string, after: number, upTo: number]
>(
  'ephemeral.receipts.select_between',
  `SELECT room_id, receipt_type, user_id, thread_id, event_id, ts, position FROM ephemeral.receipts
    WHERE room_id = ANY ($1::text[]) AND position > $3 AND position <= $4
      AND (receipt_type = 'm.read' OR user_id = $2)
    ORDER BY position`,
)
