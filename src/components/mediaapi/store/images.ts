import { statement } from '../../../platform/statement.js'

export interface ImageRow {
  readonly content_type: string
  readonly width: number
  readonly height: number
  readonly frames: number
  readonly animated: boolean
}

export const SELECT_IMAGE = statement<ImageRow, [hash: string]>(
  'mediaapi.images.select',
  'SELECT content_type, width, height, frames, animated FROM mediaapi.images WHERE hash = $1',
)

export const INSERT_IMAGE = statement<
  never,
  [hash: string, contentType: string, width: number, height: number, frames: number, animated: boolean]
>(
  'mediaapi.images.insert',
  `INSERT INTO mediaapi.images (hash, content_type, width, height, frames, animated)
   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING`,
)
