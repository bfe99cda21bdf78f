import { statement } from '../../../platform/statement.js'

export const SELECT_CURSOR = statement<{ readonly position: number; readonly language: string }>(
  'search.cursor.select',
  'SELECT position, language FROM search.cursor',
)

export const SET_CURSOR = statement<never, [position: number, language: string]>(
  'search.cursor.set',
  `INSERT INTO search.cursor (position, language) VALUES ($1, $2)
  ON CONFLICT (singleton) DO UPDATE SET position = excluded.position, language = excluded.language`,
)
