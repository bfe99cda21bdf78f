import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId } from '../../../protocol/ids.js'

/** Of a push that is about no event: it only tells how much is unread. */
export const BADGE_POSITION = 0

/**
 * Part of a statement: those of the named CTE whose unread events have become fewer are owed a new count. `now` is the
 * parameter that holds the time.
 */
export function oweBadges(readers: string, now: string): string {
  return `badge AS (
     INSERT INTO pushserver.owed_pushes AS kept (pusher_id, position, room_id, created_ts)
     SELECT DISTINCT pusher.pusher_id, ${BADGE_POSITION}, '', ${now}::bigint
       FROM ${readers} AS reader JOIN pushserver.pushers AS pusher ON pusher.user_id = reader.user_id AND pusher.enabled
     ON CONFLICT (pusher_id, position) DO UPDATE SET times = kept.times + 1, created_ts = excluded.created_ts
     RETURNING pusher_id
   )`
}

export interface OwedPushRow {
  readonly position: number
  readonly room_id: RoomId | ''
  readonly created_ts: number
  readonly times: number
  /** Null: it has been read, was redacted, or there is none. */
  readonly event_id: EventId | null
  readonly actions: string | null
  /** Of everything the user has unread, the same in each row. */
  readonly unread: number
}

/** In the order of the events, the count without event first. */
export const SELECT_OWED = statement<OwedPushRow, [pusherId: number, userId: string, limit: number]>(
  'pushserver.owed_pushes.select',
  `SELECT owed.position, owed.room_id, owed.created_ts, owed.times, unread.event_id, unread.actions,
          (SELECT count(*) FROM pushserver.unread_events WHERE user_id = $2) AS unread
     FROM pushserver.owed_pushes AS owed
     LEFT JOIN pushserver.unread_events AS unread
       ON unread.room_id = owed.room_id AND unread.position = owed.position AND unread.user_id = $2
    WHERE owed.pusher_id = $1 ORDER BY owed.position LIMIT $3`,
)

export const DELETE_OWED = statement<never, [pusherId: number, positions: readonly number[], times: readonly number[]]>(
  'pushserver.owed_pushes.delete',
  `DELETE FROM pushserver.owed_pushes AS owed USING unnest($2::bigint[], $3::integer[]) AS done (position, times)
    WHERE owed.pusher_id = $1 AND owed.position = done.position AND owed.times = done.times`,
)

/** Nothing is owed to who does not want it. */
export const DELETE_ALL_OWED = statement<never, [pusherId: number]>(
  'pushserver.owed_pushes.delete_all',
  'DELETE FROM pushserver.owed_pushes WHERE pusher_id = $1',
)
