import { statement } from '../../../platform/statement.js'

/**
 * Keeps the better of two keys: one that was verified, else the one that reads further back, else the one forwarded
 * less often. Client-server API "Server-side key backups". Returns what was written, and whether it is new.
 */
export const UPSERT_BACKUP_KEYS = statement<
  { added: boolean },
  [
    userId: string,
    version: number,
    roomIds: readonly string[],
    sessionIds: readonly string[],
    verified: readonly boolean[],
    firstIndexes: readonly number[],
    forwardedCounts: readonly number[],
    contents: readonly string[],
  ]
>(
  'keyserver.backup_keys.upsert',
  `INSERT INTO keyserver.backup_keys AS present
     (user_id, version, room_id, session_id, is_verified, first_message_index, forwarded_count, content)
   SELECT $1, $2, given.* FROM unnest($3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[], $8::text[]) AS given
   ON CONFLICT (user_id, version, room_id, session_id)
   DO UPDATE SET is_verified = EXCLUDED.is_verified, first_message_index = EXCLUDED.first_message_index,
     forwarded_count = EXCLUDED.forwarded_count, content = EXCLUDED.content
    WHERE (NOT EXCLUDED.is_verified, EXCLUDED.first_message_index, EXCLUDED.forwarded_count)
        < (NOT present.is_verified, present.first_message_index, present.forwarded_count)
   RETURNING xmax = 0 AS added`,
)

export const SELECT_BACKUP_KEYS = statement<
  { room_id: string; session_id: string; content: string },
  [userId: string, version: number, roomId: string | null, sessionId: string | null]
>(
  'keyserver.backup_keys.select',
  `SELECT room_id, session_id, content FROM keyserver.backup_keys
    WHERE user_id = $1 AND version = $2 AND ($3::text IS NULL OR room_id = $3) AND ($4::text IS NULL OR session_id = $4)`,
)

export const DELETE_BACKUP_KEYS = statement<
  { gone: number },
  [userId: string, version: number, roomId: string | null, sessionId: string | null]
>(
  'keyserver.backup_keys.delete',
  `WITH gone AS (
     DELETE FROM keyserver.backup_keys
      WHERE user_id = $1 AND version = $2 AND ($3::text IS NULL OR room_id = $3) AND ($4::text IS NULL OR session_id = $4)
     RETURNING 1)
   SELECT count(*) AS gone FROM gone`,
)
