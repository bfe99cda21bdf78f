import { EPHEMERAL_STREAMS, type Receipts } from './api.js'
import type { EphemeralDeps } from './context.js'
import { SELECT_RECEIPTS_BETWEEN, UPSERT_RECEIPT } from './store/receipts.js'

export function createReceipts(deps: EphemeralDeps): Receipts {
  const { database, streamClock, feed, caches } = deps

  /** How far receipts have come, so that one sent again costs nothing. */
  const orders = caches.cache<string, number>('ephemeral.receipts', (_order, key) => key.length * 2 + 50)

  return {
    async setReceipt(receipt) {
      const { roomId, type, userId, eventId, order, ts } = receipt
      const threadId = receipt.threadId ?? ''
      const key = [roomId, type, userId, threadId].join('\0')
      if (order <= (orders.get(key) ?? Number.NEGATIVE_INFINITY)) return undefined
      const position = await database.transaction(async (tx) => {
        const taken = await streamClock.take(tx, 1)
        let moved = false
        tx.afterCommit(() => {
          if (!moved) return
          const change =
            type === 'm.read'
              ? { stream: EPHEMERAL_STREAMS.receipts, keys: [roomId] }
              : { stream: EPHEMERAL_STREAMS.privateReceipts, keys: [userId] }
          feed.publish({ ...change, position: taken })
        })
        const rows = await tx.run(UPSERT_RECEIPT, roomId, type, userId, threadId, eventId, order, ts, taken)
        moved = rows.length > 0
        return moved ? taken : undefined
      })
      if (order > (orders.get(key) ?? Number.NEGATIVE_INFINITY)) orders.set(key, order)
      return position
    },

    async receiptsBetween(roomIds, viewer, after, upTo) {
      if (roomIds.length === 0 || upTo <= after) return []
      const rows = await database.run(SELECT_RECEIPTS_BETWEEN, roomIds, viewer, after, upTo)
      return rows.map((row) => ({
        roomId: row.room_id,
        type: row.receipt_type,
        userId: row.user_id,
        eventId: row.event_id,
        threadId: row.thread_id === '' ? undefined : row.thread_id,
        ts: row.ts,
        position: row.position,
      }))
    },
  }
}
