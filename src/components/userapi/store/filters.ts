import { statement } from '../../../platform/statement.js'

export const SELECT_FILTER = statement<{ filter: string }, [userId: string, filterId: number]>(
  'userapi.filters.select',
  'SELECT filter FROM userapi.filters WHERE user_id = $1 AND filter_id = $2',
)

export const SELECT_FILTER_BY_HASH = statement<
  { filter_id: number | null; count: number },
  [userId: string, hash: Uint8Array]
>(
  'userapi.filters.select_by_hash',
  `SELECT max(filter_id) FILTER (WHERE filter_hash = $2) AS filter_id, count(*) AS count
     FROM userapi.filters WHERE user_id = $1`,
)

/** Ids count up from 0. No row when another request took the id or stored the same filter at the same time. */
export const INSERT_FILTER = statement<{ filter_id: number }, [userId: string, filter: string, hash: Uint8Array]>(
  'userapi.filters.insert',
  `INSERT INTO userapi.filters (user_id, filter_id, filter, filter_hash)
   SELECT $1, coalesce(max(filter_id) + 1, 0), $2, $3 FROM userapi.filters WHERE user_id = $1
   ON CONFLICT DO NOTHING RETURNING filter_id`,
)
