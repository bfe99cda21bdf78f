import { statement } from '../../../platform/statement.js'

export interface MediaRow {
  readonly user_id: string
  readonly expires_ts: number | null
  readonly hash: string | null
  readonly content_type: string | null
  readonly size_bytes: number | null
  readonly upload_name: string | null
  readonly before_freeze: boolean
}

export const SELECT_MEDIA = statement<MediaRow, [origin: string, mediaId: string]>(
  'mediaapi.media.select',
  `SELECT user_id, expires_ts, hash, content_type, size_bytes, upload_name, before_freeze
     FROM mediaapi.media WHERE origin = $1 AND media_id = $2`,
)

export const INSERT_MEDIA = statement<
  never,
  [
    origin: string,
    mediaId: string,
    userId: string,
    createdTs: number,
    hash: string,
    contentType: string,
    sizeBytes: number,
    uploadName: string | null,
  ]
>(
  'mediaapi.media.insert',
  `INSERT INTO mediaapi.media (origin, media_id, user_id, created_ts, hash, content_type, size_bytes, upload_name)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
)

export const INSERT_PENDING_MEDIA = statement<
  never,
  [origin: string, mediaId: string, userId: string, createdTs: number, expiresTs: number]
>(
  'mediaapi.media.insert_pending',
  'INSERT INTO mediaapi.media (origin, media_id, user_id, created_ts, expires_ts) VALUES ($1, $2, $3, $4, $5)',
)

/** How many URIs of a user wait for their content, and when the first of them ends. */
export const COUNT_PENDING_MEDIA = statement<
  { pending: number; first_ts: number | null },
  [userId: string, now: number]
>(
  'mediaapi.media.count_pending',
  `SELECT count(*)::bigint AS pending, min(expires_ts) AS first_ts
     FROM mediaapi.media WHERE user_id = $1 AND hash IS NULL AND expires_ts > $2`,
)

/** Returns a row when the URI had no content yet. */
export const COMPLETE_MEDIA = statement<
  { media_id: string },
  [origin: string, mediaId: string, hash: string, contentType: string, sizeBytes: number, uploadName: string | null]
>(
  'mediaapi.media.complete',
  `UPDATE mediaapi.media SET hash = $3, content_type = $4, size_bytes = $5, upload_name = $6
    WHERE origin = $1 AND media_id = $2 AND hash IS NULL RETURNING media_id`,
)

/** A row when some URI has this content. */
export const SELECT_HASH_IN_USE = statement<{ used: boolean }, [hash: string]>(
  'mediaapi.media.select_hash',
  'SELECT true AS used FROM mediaapi.media WHERE hash = $1 LIMIT 1',
)

export const DELETE_EXPIRED_MEDIA = statement<{ media_id: string }, [before: number]>(
  'mediaapi.media.delete_expired',
  'DELETE FROM mediaapi.media WHERE hash IS NULL AND expires_ts <= $1 RETURNING media_id',
)
