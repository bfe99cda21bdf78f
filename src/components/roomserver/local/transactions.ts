import { LRUCache } from 'lru-cache'
import type { Database } from '../../../platform/database.js'
import type { EventId } from '../../../protocol/ids.js'
import type { ClientTransaction, SentEvent } from '../api.js'
import { SELECT_TRANSACTION } from '../store/transaction-ids.js'

const REMEMBERED = 50_000

/**
 * Which transaction made which event: those that are being answered, those of late, and the table for the rest. A repeated request is
 * answered with the event of the first, also while that one is still being written.
 */
export class Transactions {
  readonly #database: Database
  readonly #inFlight = new Map<string, Promise<SentEvent>>()
  readonly #recent = new LRUCache<string, SentEvent>({ max: REMEMBERED })

  constructor(database: Database) {
    this.#database = database
  }

  /** Runs `send` unless the transaction is under way already. */
  once(transaction: ClientTransaction | undefined, send: () => Promise<SentEvent>): Promise<SentEvent> {
    if (transaction === undefined) return send()
    const key = keyOf(transaction)
    const underWay = this.#inFlight.get(key)
    if (underWay !== undefined) return underWay
    const recent = this.#recent.get(key)
    if (recent !== undefined) return Promise.resolve(recent)
    const sent = send()
    this.#inFlight.set(key, sent)
    const end = () => {
      if (this.#inFlight.get(key) === sent) this.#inFlight.delete(key)
    }
    sent.then((made) => {
      this.#recent.set(key, made)
      end()
    }, end)
    return sent
  }

  /** What is under way is awaited: it may fail, and then there is no event. */
  async find(transaction: ClientTransaction): Promise<EventId | undefined> {
    const key = keyOf(transaction)
    const underWay = this.#inFlight.get(key)
    if (underWay !== undefined) {
      const sent = await underWay.catch(() => undefined)
      if (sent !== undefined) return sent.eventId
    }
    return (this.#recent.get(key) ?? (await this.findStored(transaction)))?.eventId
  }

  /** From the table: what an earlier process answered, or what is long ago. */
  async findStored(transaction: ClientTransaction): Promise<SentEvent | undefined> {
    const { userId, deviceId, path, txnId } = transaction
    const [row] = await this.#database.run(SELECT_TRANSACTION, userId, deviceId, path, txnId)
    if (row === undefined) return undefined
    const sent = { eventId: row.event_id, position: row.position }
    this.#recent.set(keyOf(transaction), sent)
    return sent
  }
}

/** Injective: the lengths say where each part ends. */
function keyOf({ userId, deviceId, path, txnId }: ClientTransaction): string {
  return `${userId.length} ${deviceId.length} ${path.length} ${userId}${deviceId}${path}${txnId}`
}
