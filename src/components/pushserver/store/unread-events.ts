import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import { oweBadges } from './owed-pushes.js'

export interface UnreadRow {
  readonly user_id: UserId
  readonly room_id: RoomId
  readonly thread_root: EventId | ''
  readonly notifications: number
  readonly highlights: number
}

/** What has been read, with how many pushes are owed since: the same number in each row. */
export interface ReadRow extends UnreadRow {
  readonly owed: number
}

/** What was read, and one row more without a user: `notifications` have been added. */
export type CountedRow = Omit<ReadRow, 'user_id'> & { readonly user_id: UserId | '' }

const COUNTS =
  'user_id, room_id, thread_root, count(*) AS notifications, count(*) FILTER (WHERE highlight) AS highlights'
const GONE = 'unread.user_id, unread.room_id, unread.thread_root, unread.highlight'

/** The end of a statement whose CTE `gone` has deleted rows: what is gone, and a new count owed to whom it concerns. */
function tellGone(now: string): string {
  return `${oweBadges('gone', now)}
   SELECT ${COUNTS}, (SELECT count(*) FROM badge) AS owed FROM gone GROUP BY user_id, room_id, thread_root`
}

/**
 * A whole batch: what its senders have read by sending, what it makes unread for whom, the pushes that are owed for it,
 * and how far the log has been counted. Users come as one long list, each with the index of what
 * they are told, which has the index of its event.
 */
export const COUNT_BATCH = statement<
  CountedRow,
  [
    roomIds: readonly string[],
    positions: readonly number[],
    threadRoots: readonly string[],
    eventIds: readonly string[],
    /** Empty: somebody of another server, or nobody who has anything unread. */
    senders: readonly string[],
    userIds: readonly string[],
    newsIndexes: readonly number[],
    eventIndexes: readonly number[],
    highlights: readonly boolean[],
    actions: readonly string[],
    now: number,
    cursor: number,
  ]
>(
  'pushserver.unread_events.count_batch',
  `WITH event AS (
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
       WITH ORDINALITY AS event (room_id, position, thread_root, event_id, sender, index)
   ), added AS (
     INSERT INTO pushserver.unread_events
            (room_id, position, user_id, thread_root, highlight, event_id, created_ts, actions)
     SELECT event.room_id, event.position, recipient.user_id, event.thread_root, news.highlight, event.event_id,
            $11::bigint, news.actions
       FROM unnest($6::text[], $7::bigint[]) AS recipient (user_id, news_index)
       JOIN unnest($8::bigint[], $9::boolean[], $10::text[])
            WITH ORDINALITY AS news (event_index, highlight, actions, index) ON news.index = recipient.news_index
       JOIN event ON event.index = news.event_index
     ON CONFLICT DO NOTHING
     RETURNING user_id, room_id, position
   ), owed AS (
     INSERT INTO pushserver.owed_pushes (pusher_id, position, room_id, created_ts)
     SELECT pusher.pusher_id, added.position, added.room_id, $11::bigint
       FROM added JOIN pushserver.pushers AS pusher ON pusher.user_id = added.user_id AND pusher.enabled
     ON CONFLICT DO NOTHING
     RETURNING pusher_id
   ), moved AS (
     INSERT INTO pushserver.cursor AS kept (position) VALUES ($12)
     ON CONFLICT (singleton) DO UPDATE SET position = greatest(kept.position, excluded.position)
   ), gone AS (
     DELETE FROM pushserver.unread_events AS unread USING event
      WHERE unread.user_id = event.sender AND unread.room_id = event.room_id
        AND unread.thread_root = event.thread_root AND unread.position < event.position
     RETURNING ${GONE}
   ), ${oweBadges('gone', '$11')}
   SELECT ${COUNTS}, 0 AS owed FROM gone GROUP BY user_id, room_id, thread_root
   UNION ALL
   SELECT '', '', '', (SELECT count(*) FROM added), 0, (SELECT count(*) FROM owed) + (SELECT count(*) FROM badge)`,
)

export const SELECT_UNREAD = statement<UnreadRow, [userId: string, roomIds: readonly string[]]>(
  'pushserver.unread_events.select',
  `SELECT ${COUNTS}
     FROM pushserver.unread_events WHERE user_id = $1 AND room_id = ANY ($2::text[])
    GROUP BY user_id, room_id, thread_root`,
)

export interface UnreadEventRow {
  readonly room_id: RoomId
  readonly position: number
  readonly event_id: EventId
  readonly created_ts: number
  readonly actions: string
}

/** The newest first. */
export const SELECT_UNREAD_PAGE = statement<
  UnreadEventRow,
  [userId: string, before: number | null, onlyHighlights: boolean, limit: number]
>(
  'pushserver.unread_events.select_page',
  `SELECT room_id, position, event_id, created_ts, actions FROM pushserver.unread_events
    WHERE user_id = $1 AND ($2::bigint IS NULL OR position < $2) AND (highlight OR NOT $3)
    ORDER BY position DESC LIMIT $4`,
)

/** `threadRoot` null: every thread. */
export const DELETE_READ = statement<
  ReadRow,
  [userId: string, roomId: string, upTo: number, threadRoot: string | null, now: number]
>(
  'pushserver.unread_events.delete_read',
  `WITH gone AS (
     DELETE FROM pushserver.unread_events AS unread
      WHERE user_id = $1 AND room_id = $2 AND position <= $3 AND ($4::text IS NULL OR thread_root = $4)
     RETURNING ${GONE}
   ), ${tellGone('$5')}`,
)

/** An event that was redacted is nobody's news any more. */
export const DELETE_REDACTED = statement<
  ReadRow,
  [roomIds: readonly string[], positions: readonly number[], now: number]
>(
  'pushserver.unread_events.delete_redacted',
  `WITH gone AS (
     DELETE FROM pushserver.unread_events AS unread
      USING unnest($1::text[], $2::bigint[]) AS redacted (room_id, position)
      WHERE unread.room_id = redacted.room_id AND unread.position = redacted.position
     RETURNING ${GONE}
   ), ${tellGone('$3')}`,
)

/** Who has left a room has nothing to read there, up to when they left. */
export const DELETE_LEFT = statement<
  ReadRow,
  [userIds: readonly string[], roomIds: readonly string[], positions: readonly number[], now: number]
>(
  'pushserver.unread_events.delete_left',
  `WITH gone AS (
     DELETE FROM pushserver.unread_events AS unread
      USING unnest($1::text[], $2::text[], $3::bigint[]) AS leaver (user_id, room_id, position)
      WHERE unread.user_id = leaver.user_id AND unread.room_id = leaver.room_id AND unread.position <= leaver.position
     RETURNING ${GONE}
   ), ${tellGone('$4')}`,
)

export const DELETE_OLD = statement<ReadRow, [createdBefore: number, now: number]>(
  'pushserver.unread_events.delete_old',
  `WITH gone AS (
     DELETE FROM pushserver.unread_events AS unread WHERE created_ts < $1 RETURNING ${GONE}
   ), ${tellGone('$2')}`,
)
