import { statement } from '../../../platform/statement.js'

export const INSERT_BACKWARD_EXTREMITIES = statement<
  never,
  [roomNids: readonly number[], prevEventIds: readonly string[], eventNids: readonly number[]]
>(
  'roomserver.backward_extremities.insert',
  `INSERT INTO roomserver.backward_extremities (room_nid, prev_event_id, event_nid)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
  ON CONFLICT DO NOTHING`,
)

/** These events have come. */
export const DELETE_BACKWARD_EXTREMITIES = statement<
  never,
  [roomNids: readonly number[], prevEventIds: readonly string[]]
>(
  'roomserver.backward_extremities.delete',
  `DELETE FROM roomserver.backward_extremities b
  USING unnest($1::bigint[], $2::text[]) AS come(room_nid, event_id)
  WHERE b.room_nid = come.room_nid AND b.prev_event_id = come.event_id`,
)
