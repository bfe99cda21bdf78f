import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'
import type { PresenceState } from '../api.js'

export interface PresenceRow {
  readonly user_id: UserId
  readonly state: PresenceState
  readonly status_message: string | null
  readonly last_active_ts: number
  readonly position: number
}

export const SELECT_PRESENCE = statement<PresenceRow, [userIds: readonly string[]]>(
  'ephemeral.presence.select',
  `SELECT user_id, state, status_message, last_active_ts, position FROM ephemeral.presence
    WHERE user_id = ANY ($1::text[])`,
)

/** Who was there when the server stopped. */
export const SELECT_PRESENT = statement<PresenceRow>(
  'ephemeral.presence.select_present',
  `SELECT user_id, state, status_message, last_active_ts, position FROM ephemeral.presence WHERE state <> 'offline'`,
)

export const UPSERT_PRESENCE = statement<
  never,
  [
    userIds: readonly string[],
    states: readonly string[],
    statusMessages: readonly (string | null)[],
    lastActive: readonly number[],
    positions: readonly number[],
  ]
>(
  'ephemeral.presence.upsert',
  `INSERT INTO ephemeral.presence (user_id, state, status_message, last_active_ts, position)
   SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS given
    ORDER BY 1
   ON CONFLICT (user_id) DO UPDATE SET state = EXCLUDED.state, status_message = EXCLUDED.status_message,
     last_active_ts = EXCLUDED.last_active_ts, position = EXCLUDED.position`,
)
