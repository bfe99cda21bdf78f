import { statement } from '../../../platform/statement.js'

export interface ThumbnailRow {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  readonly animated: boolean
  readonly content_type: string
  readonly size_bytes: number
}

export const SELECT_THUMBNAILS = statement<ThumbnailRow, [hash: string]>(
  'mediaapi.thumbnails.select',
  'SELECT width, height, method, animated, content_type, size_bytes FROM mediaapi.thumbnails WHERE hash = $1',
)

export const UPSERT_THUMBNAIL = statement<
  never,
  [
    hash: string,
    width: number,
    height: number,
    method: string,
    animated: boolean,
    contentType: string,
    sizeBytes: number,
    createdTs: number,
  ]
>(
  'mediaapi.thumbnails.upsert',
  `INSERT INTO mediaapi.thumbnails (hash, width, height, method, animated, content_type, size_bytes, created_ts)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
   ON CONFLICT (hash, width, height, method, animated)
   DO UPDATE SET content_type = EXCLUDED.content_type, size_bytes = EXCLUDED.size_bytes, created_ts = EXCLUDED.created_ts`,
)

export const DELETE_THUMBNAIL = statement<
  never,
  [hash: string, width: number, height: number, method: string, animated: boolean]
>(
  'mediaapi.thumbnails.delete',
  `DELETE FROM mediaapi.thumbnails WHERE hash = $1 AND width = $2 AND height = $3 AND method = $4 AND animated = $5`,
)
