import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'

export interface ReportRow {
  readonly report_id: number
  readonly received_ts: number
  readonly reporter: UserId
  readonly room_id: RoomId | null
  readonly event_id: EventId | null
  readonly reported_user: UserId | null
  readonly reason: string
  readonly score: number
}

const COLUMNS = 'report_id, received_ts, reporter, room_id, event_id, reported_user, reason, score'

export const INSERT_REPORT = statement<
  never,
  [
    receivedTs: number,
    reporter: string,
    roomId: string | null,
    eventId: string | null,
    reportedUser: string | null,
    reason: string,
    score: number,
  ]
>(
  'roomserver.reports.insert',
  `INSERT INTO roomserver.reports (received_ts, reporter, room_id, event_id, reported_user, reason, score)
  VALUES ($1, $2, $3, $4, $5, $6, $7)`,
)

const CONDITIONS = '($1::text IS NULL OR reporter = $1) AND ($2::text IS NULL OR room_id = $2)'
type Conditions = [reporter: string | null, roomId: string | null]

const pageSql = (order: 'ASC' | 'DESC'): string =>
  `SELECT ${COLUMNS} FROM roomserver.reports WHERE ${CONDITIONS} ORDER BY report_id ${order} OFFSET $3 LIMIT $4`

export const SELECT_NEWEST_REPORTS = statement<ReportRow, [...Conditions, offset: number, limit: number]>(
  'roomserver.reports.select_newest',
  pageSql('DESC'),
)

export const SELECT_OLDEST_REPORTS = statement<ReportRow, [...Conditions, offset: number, limit: number]>(
  'roomserver.reports.select_oldest',
  pageSql('ASC'),
)

export const COUNT_REPORTS = statement<{ readonly total: number }, Conditions>(
  'roomserver.reports.count',
  `SELECT count(*) AS total FROM roomserver.reports WHERE ${CONDITIONS}`,
)

export const SELECT_REPORT = statement<ReportRow, [id: number]>(
  'roomserver.reports.select',
  `SELECT ${COLUMNS} FROM roomserver.reports WHERE report_id = $1`,
)

export const DELETE_REPORT = statement<{ readonly report_id: number }, [id: number]>(
  'roomserver.reports.delete',
  'DELETE FROM roomserver.reports WHERE report_id = $1 RETURNING report_id',
)
