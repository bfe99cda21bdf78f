import { statement } from '../../../platform/statement.js'

/** Replaces the text of redacted events by the pruned one. */
export const APPLY_REDACTIONS = statement<
  never,
  [eventNids: readonly number[], redactionNids: readonly number[], prunedJson: readonly string[]]
>(
  'roomserver.events.apply_redactions',
  `UPDATE roomserver.events e SET json = x.json, redacted_by_nid = x.by_nid, contains_url = false
  FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS x(event_nid, by_nid, json)
  WHERE e.event_nid = x.event_nid`,
)

export interface PendingRedactionRow {
  readonly event_nid: number
  readonly redacts: string
}

/** Redactions that were stored before the events they name. */
export const SELECT_PENDING_REDACTIONS = statement<PendingRedactionRow, [targetIds: readonly string[]]>(
  'roomserver.events.select_pending_redactions',
  'SELECT event_nid, redacts FROM roomserver.events WHERE redaction_pending AND redacts = ANY($1::text[])',
)

/** They have been applied, or found not to be allowed. */
export const SETTLE_REDACTIONS = statement<never, [eventNids: readonly number[]]>(
  'roomserver.events.settle_redactions',
  'UPDATE roomserver.events SET redaction_pending = false, redacts = NULL WHERE event_nid = ANY($1::bigint[])',
)
