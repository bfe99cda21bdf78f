import type { Pdu } from '../event/pdu.js'
import { type EventId, serverNameOf } from '../ids.js'
import { mayRedact } from './power-levels.js'
import type { AuthState } from './verdict.js'

/**
 * Whether an accepted redaction takes effect on its target, once both are here: in room versions 1 and 2 the auth rules
 * have settled it (11), later the sender needs the redact level, or to be of the same server as the sender of the
 * target. Room version 3, "Handling redactions". A redaction that does not take effect is not shown to clients.
 *
 * @param state before the redaction
 */
export function mayApplyRedaction(redaction: Pdu, target: Pdu, state: AuthState): boolean {
  if (redaction.type !== 'm.room.redaction' || redaction.redacts !== target.eventId) return false
  if (target.eventId === redaction.eventId || target.roomId !== redaction.roomId) return false
  if (mayRedact(redaction.sender, state)) return true
  return redaction.version.redactionAuthRule
    ? haveSameServer(target.eventId, redaction.eventId)
    : serverNameOf(target.sender) === serverNameOf(redaction.sender)
}

/** Two event ids of room versions 1 and 2. One that names no server is of nobody's. */
export function haveSameServer(a: EventId, b: EventId): boolean {
  const server = serverNameOf(a)
  return server !== undefined && server === serverNameOf(b)
}
