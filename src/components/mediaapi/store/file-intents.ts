import { statement } from '../../../platform/statement.js'

export const INSERT_FILE_INTENT = statement<never, [hash: string, name: string]>(
  'mediaapi.file_intents.insert',
  'INSERT INTO mediaapi.file_intents (hash, name) VALUES ($1, $2) ON CONFLICT (hash, name) DO NOTHING',
)

export const DELETE_FILE_INTENT = statement<never, [hash: string, name: string]>(
  'mediaapi.file_intents.delete',
  'DELETE FROM mediaapi.file_intents WHERE hash = $1 AND name = $2',
)

/** With whether anything refers to the content by now. */
export const SELECT_FILE_INTENTS = statement<{ hash: string; name: string; used: boolean }>(
  'mediaapi.file_intents.select',
  `SELECT hash, name, EXISTS (SELECT FROM mediaapi.media WHERE media.hash = file_intents.hash) AS used
     FROM mediaapi.file_intents ORDER BY hash, name`,
)
