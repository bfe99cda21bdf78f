import { redactPdu } from '../../protocol/event/redact.js'
import type { AppliedRedaction } from './planned.js'
import type { StoredEvent } from './room-event.js'

/** What a redaction does to its target. */
export function applied(target: StoredEvent, by: StoredEvent): AppliedRedaction {
  return { target, by, pruned: target.redacted(redactPdu(target.pdu), by) }
}
