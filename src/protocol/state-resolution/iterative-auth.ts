import { checkAuth } from '../auth/check.js'
import type { AuthState } from '../auth/verdict.js'
import { type Pdu, type StateTuple, stateTuple } from '../event/pdu.js'
import type { EventId } from '../ids.js'
import type { ResolutionSource } from './source.js'

/**
 * Iterative auth checks: each event in turn is put into the state when the state so far allows it, and else ignored.
 * A key that the state does not have is taken from the event's own auth events, unless that event was rejected.
 * Room version 2, "Iterative auth checks". Changes `state` in place.
 *
 * @param create the room's create event, which no event of room version 12 and later cites
 */
export function applyIteratively(
  sorted: readonly EventId[],
  state: Map<StateTuple, EventId>,
  create: Pdu | undefined,
  source: ResolutionSource,
): void {
  for (const id of sorted) {
    const event = source.event(id)
    if (event?.stateKey === undefined) continue
    const own = authStateOf(event, create, source)
    const known: AuthState = {
      get: (type, stateKey) => {
        const current = state.get(stateTuple(type, stateKey))
        const resolved = current !== undefined && !source.isRejected(current) ? source.event(current) : undefined
        return resolved ?? own.get(type, stateKey)
      },
    }
    if (checkAuth(event, known).allowed) state.set(stateTuple(event.type, event.stateKey), id)
  }
}

/** The state that an event's own auth events make: those that were not rejected, and the create event of version 12. */
export function authStateOf(event: Pdu, create: Pdu | undefined, source: ResolutionSource): AuthState {
  const cited = new Map<StateTuple, Pdu>()
  if (event.version.roomIdIsCreateHash && create) cited.set(stateTuple(create.type, ''), create)
  for (const id of event.authEvents) {
    const authEvent = source.event(id)
    if (authEvent?.stateKey === undefined || source.isRejected(id)) continue
    cited.set(stateTuple(authEvent.type, authEvent.stateKey), authEvent)
  }
  return { get: (type, stateKey) => cited.get(stateTuple(type, stateKey)) }
}
