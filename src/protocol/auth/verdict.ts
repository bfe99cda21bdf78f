import type { Pdu } from '../event/pdu.js'

/** State of the room against which an event is checked: the state before it, the auth events, or the current state. */
export interface AuthState {
  get(type: string, stateKey: string): Pdu | undefined
}

/**
 * The outcome of a check. `rule` is the number of the rule that refused, as the page of the event's room version counts
 * them when it is displayed (`5.3.1` is another rule in version 6 than in version 12); `reason` is for logs and people.
 */
export type AuthVerdict = { readonly allowed: true } | Refusal

export interface Refusal {
  readonly allowed: false
  readonly rule: string
  readonly reason: string
}

export const ALLOWED: AuthVerdict = { allowed: true }

export function refuse(rule: string, reason: string): Refusal {
  return { allowed: false, rule, reason }
}
