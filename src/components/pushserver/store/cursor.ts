import { statement } from '../../../platform/statement.js'

export const SELECT_CURSOR = statement<{ position: number }>(
  'pushserver.cursor.select',
  'SELECT position FROM pushserver.cursor',
)

/** Never back: what has been counted stays counted. */
export const SET_CURSOR = statement<never, [position: number]>(
  'pushserver.cursor.set',
  `INSERT INTO pushserver.cursor AS kept (position) VALUES ($1)
   ON CONFLICT (singleton) DO UPDATE SET position = greatest(kept.position, excluded.position)`,
)
