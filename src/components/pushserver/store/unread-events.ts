import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'

export interface UnreadRow {
  readonly user_id: UserId
  readonly room_id: RoomId
  readonly thread_root: EventId | ''
  readonly notifications: number
  readonly highlights: number
}

/**
 * A whole batch: what its senders have read by sending, what it makes unread for whom, and how far the log has been
 * counted. Returns what was read, by user, room and thread. Users come as one long list, each with the index of its event.
 */
export const COUNT_BATCH = statement<
  UnreadRow,
  [
    roomIds: readonly string[],
    positions: readonly number[],
    threadRoots: readonly string[],
    eventIds: readonly string[],
    /** Empty: somebody of another server, or nobody who has anything unread. */
    senders: readonly string[],
    userIds: readonly string[],
    eventIndexes: readonly number[],
    highlights: readonly boolean[],
    now: number,
    cursor: number,
  ]
>(
  'pushserver.unread_events.count_batch',
  `WITH event AS (
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
       WITH ORDINALITY AS event (room_id, position, thread_root, event_id, sender, index)
   ), added AS (
     INSERT INTO pushserver.unread_events (room_id, position, user_id, thread_root, highlight, event_id, created_ts)
     SELECT event.room_id, event.position, recipient.user_id, event.thread_root, recipient.highlight, event.event_id, $9
       FROM unnest($6::text[], $7::bigint[], $8::boolean[]) AS recipient (user_id, index, highlight)
       JOIN event ON event.index = recipient.index
     ON CONFLICT DO NOTHING
   ), moved AS (
     INSERT INTO pushserver.cursor (position) VALUES ($10)
     ON CONFLICT (singleton) DO UPDATE SET position = excluded.position
   ), read AS (
     DELETE FROM pushserver.unread_events AS unread USING event
      WHERE unread.user_id = event.sender AND unread.room_id = event.room_id
        AND unread.thread_root = event.thread_root AND unread.position < event.position
     RETURNING unread.user_id, unread.room_id, unread.thread_root, unread.highlight
   )
   SELECT user_id, room_id, thread_root, count(*) AS notifications, count(*) FILTER (WHERE highlight) AS highlights
     FROM read GROUP BY user_id, room_id, thread_root`,
)

export const SELECT_UNREAD = statement<UnreadRow, [userId: string, roomIds: readonly string[]]>(
  'pushserver.unread_events.select',
  `SELECT user_id, room_id, thread_root, count(*) AS notifications, count(*) FILTER (WHERE highlight) AS highlights
     FROM pushserver.unread_events WHERE user_id = $1 AND room_id = ANY ($2::text[])
    GROUP BY user_id, room_id, thread_root`,
)

/** `threadRoot` null: every thread. Returns the same columns for what is gone. */
export const DELETE_READ = statement<
  UnreadRow,
  [userId: string, roomId: string, upTo: number, threadRoot: string | null]
>(
  'pushserver.unread_events.delete_read',
  `WITH read AS (
     DELETE FROM pushserver.unread_events
      WHERE user_id = $1 AND room_id = $2 AND position <= $3 AND ($4::text IS NULL OR thread_root = $4)
     RETURNING user_id, room_id, thread_root, highlight
   )
   SELECT user_id, room_id, thread_root, count(*) AS notifications, count(*) FILTER (WHERE highlight) AS highlights
     FROM read GROUP BY user_id, room_id, thread_root`,
)

/** An event that was redacted is nobody's news any more. */
export const DELETE_REDACTED = statement<UnreadRow, [roomIds: readonly string[], positions: readonly number[]]>(
  'pushserver.unread_events.delete_redacted',
  `WITH gone AS (
     DELETE FROM pushserver.unread_events AS unread
      USING unnest($1::text[], $2::bigint[]) AS redacted (room_id, position)
      WHERE unread.room_id = redacted.room_id AND unread.position = redacted.position
     RETURNING unread.user_id, unread.room_id, unread.thread_root, unread.highlight
   )
   SELECT user_id, room_id, thread_root, count(*) AS notifications, count(*) FILTER (WHERE highlight) AS highlights
     FROM gone GROUP BY user_id, room_id, thread_root`,
)

export const DELETE_OLD = statement<never, [createdBefore: number]>(
  'pushserver.unread_events.delete_old',
  'DELETE FROM pushserver.unread_events WHERE created_ts < $1',
)

/** Who has left a room has nothing to read there. */
export const DELETE_LEFT = statement<never, [userIds: readonly string[], roomIds: readonly string[]]>(
  'pushserver.unread_events.delete_left',
  `DELETE FROM pushserver.unread_events AS unread
    USING unnest($1::text[], $2::text[]) AS gone (user_id, room_id)
    WHERE unread.user_id = gone.user_id AND unread.room_id = gone.room_id`,
)
