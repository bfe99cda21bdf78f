import { type Pdu, type StateTuple, stateTuple } from '../event/pdu.js'
import { authTypesFor } from './needed-state.js'
import { ruleNumbers } from './rule-numbers.js'
import { ALLOWED, type AuthState, type AuthVerdict, refuse } from './verdict.js'

/**
 * The rule about the list of auth events (2, in room version 12: 3): each key once, only what the event needs, nothing
 * that was rejected, the create event unless the room id implies it, all of the same room.
 *
 * @param authEvents the events that `event.authEvents` names, all of them: what cannot be found is the caller's to refuse
 */
export function checkAuthEvents(
  event: Pdu,
  authEvents: readonly Pdu[],
  wasRejected: (authEvent: Pdu) => boolean,
): AuthVerdict {
  if (event.type === 'm.room.create') return ALLOWED
  const rule = ruleNumbers(event.version).authEvents
  const keys = authEvents.map(keyOf)
  const seen = new Set<StateTuple | undefined>(keys)
  if (seen.size < keys.length) return refuse(`${rule}.1`, 'two auth events have the same type and state key')
  const needed = new Set<StateTuple | undefined>(
    authTypesFor(event).map(([type, stateKey]) => stateTuple(type, stateKey)),
  )
  if (keys.some((key) => !needed.has(key)))
    return refuse(`${rule}.2`, 'an auth event is not among those to be selected')
  if (authEvents.some(wasRejected)) return refuse(`${rule}.3`, 'an auth event was rejected')
  const implied = event.version.createEventIsImplied
  if (!implied && !seen.has(stateTuple('m.room.create', ''))) return refuse(`${rule}.4`, 'there is no create event')
  if (authEvents.some((authEvent) => authEvent.roomId !== event.roomId)) {
    // The rule about the create event is gone in version 12, so this one moves up.
    return refuse(`${rule}.${implied ? 4 : 5}`, 'an auth event is of another room')
  }
  return ALLOWED
}

function keyOf(event: Pdu): StateTuple | undefined {
  return event.stateKey === undefined ? undefined : stateTuple(event.type, event.stateKey)
}

/**
 * The state that a list of auth events makes, for `checkAuth`. Rejected ones are to be left out by the caller.
 *
 * @param create to be given in room version 12 and later, where the list does not have it
 */
export function authStateFrom(authEvents: Iterable<Pdu>, create?: Pdu): AuthState {
  const state = new Map<StateTuple | undefined, Pdu>()
  if (create) state.set(keyOf(create), create)
  for (const event of authEvents) if (event.stateKey !== undefined) state.set(keyOf(event), event)
  return { get: (type, stateKey) => state.get(stateTuple(type, stateKey)) }
}
