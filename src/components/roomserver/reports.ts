import type { NewReport, Report, Reports } from './api.js'
import type { RoomInternals } from './internals.js'
import {
  COUNT_REPORTS,
  DELETE_REPORT,
  INSERT_REPORT,
  type ReportRow,
  SELECT_NEWEST_REPORTS,
  SELECT_OLDEST_REPORTS,
  SELECT_REPORT,
} from './store/reports.js'

export class StoredReports implements Reports {
  readonly #internals: Pick<RoomInternals, 'database' | 'time'>

  constructor(internals: Pick<RoomInternals, 'database' | 'time'>) {
    this.#internals = internals
  }

  async addReport({ reporter, roomId, eventId, reportedUser, reason, score }: NewReport): Promise<void> {
    const { database, time } = this.#internals
    const about = [roomId ?? null, eventId ?? null, reportedUser ?? null] as const
    await database.run(INSERT_REPORT, time.now(), reporter, ...about, reason, score)
  }

  async reports(request: Parameters<Reports['reports']>[0]): Promise<{ reports: Report[]; total: number }> {
    const { database } = this.#internals
    const { offset, limit, direction } = request
    const conditions = [request.reporter ?? null, request.roomId ?? null] as const
    const page = direction === 'b' ? SELECT_NEWEST_REPORTS : SELECT_OLDEST_REPORTS
    const [rows, [count]] = await Promise.all([
      database.run(page, ...conditions, offset, limit),
      database.run(COUNT_REPORTS, ...conditions),
    ])
    return { reports: rows.map(reportOf), total: count?.total ?? 0 }
  }

  async report(id: number): Promise<Report | undefined> {
    const [row] = await this.#internals.database.run(SELECT_REPORT, id)
    return row && reportOf(row)
  }

  async deleteReport(id: number): Promise<boolean> {
    return (await this.#internals.database.run(DELETE_REPORT, id)).length > 0
  }
}

function reportOf(row: ReportRow): Report {
  return {
    id: row.report_id,
    receivedTs: row.received_ts,
    reporter: row.reporter,
    roomId: row.room_id ?? undefined,
    eventId: row.event_id ?? undefined,
    reportedUser: row.reported_user ?? undefined,
    reason: row.reason,
    score: row.score,
  }
}
