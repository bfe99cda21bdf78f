import type { Pdu } from '../event/pdu.js'
import type { EventId } from '../ids.js'

/**
 * Where state resolution finds what it reads. All answers come from memory: what is not there is named by
 * `resolutionNeeds`, loaded by the caller, and asked for again.
 */
export interface ResolutionSource {
  /**
   * The auth events of an event. Cheap to answer without the event itself (an integer edge table, a cache of chains);
   * `undefined` means not loaded, an event that does not exist has none.
   */
  authEvents(id: EventId): readonly EventId[] | undefined
  /** The event, or undefined when it is not loaded or does not exist. */
  event(id: EventId): Pdu | undefined
  /** True for an event that was asked for and is nowhere: it is not asked for again, so that the rest is. */
  isAbsent?(id: EventId): boolean
  /** True for an event that was rejected on receipt: it is never used to authorise another. */
  isRejected(id: EventId): boolean
}
