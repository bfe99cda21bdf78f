import type { Pdu, StateMap, StateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import type { RoomVersion } from '../room-version.js'
import type { ResolutionSource } from './source.js'
import { resolveV1 } from './v1.js'
import { resolveV2 } from './v2.js'
import { resolveV21 } from './v21.js'

export { type ResolutionNeeds, resolutionNeeds } from './needs.js'
export type { ResolutionSource } from './source.js'

/**
 * The state that several states resolve to, by the algorithm of the room version. The answer does not depend on the
 * order of the sets. Time and memory are linear in the sets, the auth chains of what is in conflict and, only if
 * something is cited by one side alone, the auth edges behind the rest of the state.
 *
 * Events that `source` does not have are treated as not existing: ask `resolutionNeeds` first.
 */
export function resolveFrom(
  version: RoomVersion,
  stateSets: readonly StateMap<EventId>[],
  source: ResolutionSource,
): Map<StateTuple, EventId> {
  switch (version.stateResolution) {
    case 'v1':
      return resolveV1(stateSets, source)
    case 'v2':
      return resolveV2(stateSets, source)
    case 'v2.1':
      return resolveV21(stateSets, source)
  }
}

/** `resolveFrom` for a caller that has every event concerned, auth chains of all the state included, in its hands. */
export function resolveState(
  version: RoomVersion,
  stateSets: readonly StateMap<EventId>[],
  getEvent: (id: EventId) => Pdu | undefined,
  isRejected: (id: EventId) => boolean,
): Map<StateTuple, EventId> {
  return resolveFrom(version, stateSets, {
    authEvents: (id) => getEvent(id)?.authEvents ?? [],
    event: getEvent,
    isRejected,
  })
}
