import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export interface PushRulesRow {
  readonly user_id: UserId
  readonly rules: string
  readonly position: number
}

export const SELECT_PUSH_RULES = statement<PushRulesRow, [userIds: readonly string[]]>(
  'pushserver.push_rules.select',
  'SELECT user_id, rules, position FROM pushserver.push_rules WHERE user_id = ANY ($1::text[])',
)

export const SELECT_PUSH_RULES_BETWEEN = statement<PushRulesRow, [userId: string, after: number, upTo: number]>(
  'pushserver.push_rules.select_between',
  `SELECT user_id, rules, position FROM pushserver.push_rules
    WHERE user_id = $1 AND position > $2 AND position <= $3`,
)

/** Makes the row where there is none, so that two first changes at once wait for one another. */
export const LOCK_PUSH_RULES = statement<{ rules: string }, [userId: string, rules: string]>(
  'pushserver.push_rules.lock',
  `INSERT INTO pushserver.push_rules AS kept (user_id, rules, position) VALUES ($1, $2, 0)
   ON CONFLICT (user_id) DO UPDATE SET user_id = kept.user_id RETURNING rules`,
)

export const UPDATE_PUSH_RULES = statement<never, [userId: string, rules: string, position: number]>(
  'pushserver.push_rules.update',
  'UPDATE pushserver.push_rules SET rules = $2, position = $3 WHERE user_id = $1',
)
