import { statement } from '../../../platform/statement.js'
import type { Membership } from '../api.js'

/** As numbers in the column `membership`. */
export const MEMBERSHIP_CODE = { join: 1, invite: 2, knock: 3, leave: 4, ban: 5 } as const satisfies Record<
  Membership,
  number
>

const NAMES: readonly Membership[] = ['join', 'invite', 'knock', 'leave', 'ban']

export function membershipOfCode(code: number): Membership {
  const name = NAMES[code - 1]
  if (name === undefined) throw new RangeError(`${code} is no membership`)
  return name
}

/** Answers the row's nid when there was something to forget: the user is neither joined nor invited. */
export const FORGET_MEMBERSHIP = statement<{ readonly room_nid: number }, [roomNid: number, userId: string]>(
  'roomserver.memberships.forget',
  `UPDATE roomserver.memberships SET forgotten = true
  WHERE room_nid = $1 AND user_id = $2 AND membership IN (4, 5) AND NOT forgotten
  RETURNING room_nid`,
)

export const SELECT_MEMBERSHIP_CODE = statement<{ readonly membership: number }, [roomNid: number, userId: string]>(
  'roomserver.memberships.select_code',
  'SELECT membership FROM roomserver.memberships WHERE room_nid = $1 AND user_id = $2',
)

/** Members whose event was redacted lose the name and picture it gave them. */
export const CLEAR_PROFILES = statement<never, [eventNids: readonly number[]]>(
  'roomserver.memberships.clear_profiles',
  `UPDATE roomserver.memberships SET display_name = NULL, avatar_url = NULL
  WHERE event_nid = ANY($1::bigint[])`,
)

/** Members whose event state resolution took away: they are no longer in the room, and nothing says they left. */
export const DELETE_MEMBERSHIPS = statement<never, [roomNids: readonly number[], userIds: readonly string[]]>(
  'roomserver.memberships.delete',
  `DELETE FROM roomserver.memberships m
  USING unnest($1::bigint[], $2::text[]) AS gone(room_nid, user_id)
  WHERE m.room_nid = gone.room_nid AND m.user_id = gone.user_id`,
)
