import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import type { EventId } from '../../protocol/ids.js'
import { eventOfRow, type StoredEvent } from './room-event.js'
import { SELECT_EVENTS_BY_ID, SELECT_EVENTS_BY_NID } from './store/events.js'

/** Events of the store in memory, bounded in bytes. Only what has been committed is in it. */
export interface EventCache {
  /** The event when it is in memory; no statement. */
  peek(nid: number): StoredEvent | undefined
  peekId(eventId: EventId): StoredEvent | undefined
  /** All verdicts, outliers included: whoever shows events to somebody looks at `verdict` and `position`. One statement at most. */
  byNids(nids: Iterable<number>): Promise<Map<number, StoredEvent>>
  byIds(eventIds: Iterable<EventId>): Promise<Map<EventId, StoredEvent>>
  /** An event that a statement has shown. What is in memory already wins: it may be newer (a redaction). */
  learn(event: StoredEvent): StoredEvent
  /** The event as a commit has left it: written, or redacted. */
  replace(event: StoredEvent): void
}

export function createEventCache(database: Database, budget: CacheBudget): EventCache {
  const byNid = budget.cache<number, StoredEvent>('roomserver.events', (event) => event.cost)
  // The event itself is counted once; an id whose event is gone costs its entry here until that goes too.
  const nidOfId = budget.cache<EventId, number>('roomserver.event_ids', (_nid, eventId) => 150 + eventId.length)

  const replace = (event: StoredEvent): void => {
    byNid.set(event.nid, event)
    nidOfId.set(event.eventId, event.nid)
  }
  const learn = (event: StoredEvent): StoredEvent => {
    const known = byNid.get(event.nid)
    if (known !== undefined) return known
    replace(event)
    return event
  }
  const peek = (nid: number): StoredEvent | undefined => byNid.get(nid)
  const peekId = (eventId: EventId): StoredEvent | undefined => {
    const nid = nidOfId.get(eventId)
    return nid === undefined ? undefined : byNid.get(nid)
  }

  return {
    peek,
    peekId,
    learn,
    replace,
    async byNids(nids) {
      const found = new Map<number, StoredEvent>()
      const missing: number[] = []
      for (const nid of new Set(nids)) {
        const event = peek(nid)
        if (event === undefined) missing.push(nid)
        else found.set(nid, event)
      }
      if (missing.length > 0) {
        for (const row of await database.run(SELECT_EVENTS_BY_NID, missing)) {
          found.set(row.event_nid, learn(eventOfRow(row)))
        }
      }
      return found
    },
    async byIds(eventIds) {
      const found = new Map<EventId, StoredEvent>()
      const missing: EventId[] = []
      for (const eventId of new Set(eventIds)) {
        const event = peekId(eventId)
        if (event === undefined) missing.push(eventId)
        else found.set(eventId, event)
      }
      if (missing.length > 0) {
        for (const row of await database.run(SELECT_EVENTS_BY_ID, missing)) {
          found.set(row.event_id, learn(eventOfRow(row)))
        }
      }
      return found
    },
  }
}
