import type { EventId } from '../../protocol/ids.js'
import type { EventCache } from './event-cache.js'
import type { Nids } from './nids.js'
import type { StoredEvent } from './room-event.js'

/** Events that have been planned and not yet committed: the next event of their room already builds on them. */
export class PendingEvents {
  readonly #byNid = new Map<number, StoredEvent>()
  readonly #byId = new Map<EventId, StoredEvent>()

  add(event: StoredEvent): void {
    this.#byNid.set(event.nid, event)
    this.#byId.set(event.eventId, event)
  }

  remove(event: StoredEvent): void {
    this.#byNid.delete(event.nid)
    this.#byId.delete(event.eventId)
  }

  get(nid: number): StoredEvent | undefined {
    return this.#byNid.get(nid)
  }

  getId(eventId: EventId): StoredEvent | undefined {
    return this.#byId.get(eventId)
  }
}

/**
 * What planning needs from the store. Planning itself must not wait (the head of the room would move under it), so it
 * goes in rounds: a dry run asks for everything, `load` reads what is not in memory, and this again until nothing is missing;
 * then the plan is made in one go. What was loaded stays here for as long, whatever the caches evict.
 */
export class Facts {
  readonly #events: EventCache
  readonly #nids: Nids
  readonly #pending: PendingEvents
  readonly #byNid = new Map<number, StoredEvent>()
  readonly #byId = new Map<EventId, StoredEvent>()
  readonly #absent = new Set<EventId>()
  readonly #types = new Map<string, number>()
  readonly #stateKeys = new Map<string, number>()
  readonly #askedFor = new Map<object, number>()
  readonly #wantedNids = new Set<number>()
  readonly #wantedIds = new Set<EventId>()
  readonly #wantedTypes = new Set<string>()
  readonly #wantedStateKeys = new Set<string>()

  constructor(events: EventCache, nids: Nids, pending: PendingEvents) {
    this.#events = events
    this.#nids = nids
    this.#pending = pending
  }

  /** The event, or undefined when it has to be loaded first. */
  wantEvent(nid: number | undefined): StoredEvent | undefined {
    if (nid === undefined) return undefined
    const known = this.#pending.get(nid) ?? this.#events.peek(nid) ?? this.#byNid.get(nid)
    if (known === undefined) this.#wantedNids.add(nid)
    else this.#byNid.set(nid, known)
    return known
  }

  /** The event, undefined when it has to be loaded first or is not here (`isAbsent`). */
  wantEventById(eventId: EventId): StoredEvent | undefined {
    const known = this.#pending.getId(eventId) ?? this.#events.peekId(eventId) ?? this.#byId.get(eventId)
    if (known === undefined) {
      if (!this.#absent.has(eventId)) this.#wantedIds.add(eventId)
    } else {
      this.#byId.set(eventId, known)
      this.#byNid.set(known.nid, known)
    }
    return known
  }

  isAbsent(eventId: EventId): boolean {
    return this.#absent.has(eventId)
  }

  wantType(type: string): void {
    this.#want(type, this.#types, this.#nids.types.peek(type), this.#wantedTypes)
  }

  wantStateKey(stateKey: string): void {
    this.#want(stateKey, this.#stateKeys, this.#nids.stateKeys.peek(stateKey), this.#wantedStateKeys)
  }

  #want(text: string, known: Map<string, number>, nid: number | undefined, wanted: Set<string>): void {
    if (known.has(text)) return
    if (nid === undefined) wanted.add(text)
    else known.set(text, nid)
  }

  /** False when the same has been asked for already: `generation` says whether what it depends on has moved since. */
  isFirst(what: object, generation: number): boolean {
    if (this.#askedFor.get(what) === generation) return false
    this.#askedFor.set(what, generation)
    return true
  }

  get complete(): boolean {
    return (
      this.#wantedNids.size === 0 &&
      this.#wantedIds.size === 0 &&
      this.#wantedTypes.size === 0 &&
      this.#wantedStateKeys.size === 0
    )
  }

  /** Reads what is missing: four statements at most, one for each kind. New types and state keys get their ids. */
  async load(): Promise<void> {
    const nids = [...this.#wantedNids]
    const ids = [...this.#wantedIds]
    const [byNid, byId, types, stateKeys] = await Promise.all([
      this.#events.byNids(nids),
      this.#events.byIds(ids),
      this.#nids.types.intern(this.#wantedTypes),
      this.#nids.stateKeys.intern(this.#wantedStateKeys),
    ])
    this.#wantedNids.clear()
    this.#wantedIds.clear()
    this.#wantedTypes.clear()
    this.#wantedStateKeys.clear()
    for (const nid of nids) {
      const event = byNid.get(nid) ?? this.#pending.get(nid)
      if (event === undefined) throw new Error(`event ${nid} is named in the store and not in it`)
      this.#byNid.set(nid, event)
    }
    for (const eventId of ids) {
      const event = byId.get(eventId)
      if (event === undefined) this.#absent.add(eventId)
      else this.#byId.set(eventId, event)
    }
    for (const [type, nid] of types) this.#types.set(type, nid)
    for (const [stateKey, nid] of stateKeys) this.#stateKeys.set(stateKey, nid)
  }

  /** @throws Error when it was not asked for before */
  event(nid: number): StoredEvent {
    const event = this.#pending.get(nid) ?? this.#events.peek(nid) ?? this.#byNid.get(nid)
    if (event === undefined) throw new Error(`event ${nid} was not loaded for planning`)
    return event
  }

  eventById(eventId: EventId): StoredEvent | undefined {
    return this.#pending.getId(eventId) ?? this.#events.peekId(eventId) ?? this.#byId.get(eventId)
  }

  typeNid(type: string): number {
    return nidOf(this.#types.get(type) ?? this.#nids.types.peek(type), type)
  }

  stateKeyNid(stateKey: string): number {
    return nidOf(this.#stateKeys.get(stateKey) ?? this.#nids.stateKeys.peek(stateKey), stateKey)
  }
}

function nidOf(nid: number | undefined, text: string): number {
  if (nid === undefined) throw new Error(`${JSON.stringify(text)} was not interned for planning`)
  return nid
}
