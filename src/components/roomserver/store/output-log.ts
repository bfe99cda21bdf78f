import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId } from '../../../protocol/ids.js'

export interface LogRow {
  readonly position: number
  readonly room_id: RoomId
  readonly event_nid: number | null
  /** Of the event that this one redacted. */
  readonly redacted: EventId | null
}

export const SELECT_LOG = statement<LogRow, [after: number, upTo: number, limit: number]>(
  'roomserver.output_log.select_after',
  `SELECT l.position, r.room_id, l.event_nid, x.event_id AS redacted
  FROM roomserver.output_log l
  JOIN roomserver.rooms r ON r.room_nid = l.room_nid
  LEFT JOIN LATERAL (
    SELECT e.event_id FROM roomserver.events e WHERE e.redacted_by_nid = l.event_nid LIMIT 1) x ON true
  WHERE l.position > $1 AND l.position <= $2
  ORDER BY l.position LIMIT $3`,
)
