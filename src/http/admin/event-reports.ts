import { z } from 'zod'
import type { PublicRoom, Report } from '../../components/roomserver/index.js'
import type { JsonObject } from '../../protocol/json.js'
import { parseStoredJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { queryInteger } from '../schema/query.js'

type Deps = Pick<RouteDeps, 'roomserver'>

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const path = '/_synapse/admin/v1/event_reports'
const idParams = z.object({ reportId: queryInteger.refine((id) => id > 0, 'a report has a positive id') })
const count = queryInteger.refine((value) => value >= 0, 'not negative')

/** What users have reported, under the paths that Synapse and Dendrite have for it. */
export function eventReportsRoutes(deps: Deps): Route[] {
  return [listRoute(deps), detailRoute(deps), deleteRoute(deps)]
}

function listRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path,
    auth: 'admin',
    query: z.object({
      from: count.default(0),
      limit: count.default(DEFAULT_LIMIT),
      dir: z.enum(['b', 'f']).default('b'),
      user_id: z.string().optional(),
      room_id: z.string().optional(),
    }),
    async handler({ query }) {
      const limit = Math.min(query.limit, MAX_LIMIT)
      const { reports, total } = await roomserver.reports({
        offset: query.from,
        limit,
        direction: query.dir,
        reporter: query.user_id,
        roomId: query.room_id,
      })
      const rooms = await roomserver.describeRooms(reports.flatMap(({ roomId }) => roomId ?? []))
      const end = query.from + reports.length
      return {
        event_reports: reports.map((report) => reportEntry(report, report.roomId && rooms.get(report.roomId))),
        total,
        ...(end < total && reports.length > 0 && { next_token: end }),
      }
    },
  })
}

function detailRoute({ roomserver }: Deps): Route {
  return route({
    method: 'GET',
    path: `${path}/{reportId}`,
    auth: 'admin',
    params: idParams,
    async handler({ params: { reportId } }) {
      const report = await roomserver.report(reportId)
      if (report === undefined) throw noReport()
      const rooms = await roomserver.describeRooms(report.roomId === undefined ? [] : [report.roomId])
      const event = report.eventId === undefined ? undefined : await roomserver.event(report.eventId)
      return {
        ...reportEntry(report, report.roomId && rooms.get(report.roomId)),
        ...(event !== undefined && { event_json: parseStoredJson(event.pdu.json) }),
      }
    },
  })
}

function deleteRoute({ roomserver }: Deps): Route {
  return route({
    method: 'DELETE',
    path: `${path}/{reportId}`,
    auth: 'admin',
    params: idParams,
    async handler({ params: { reportId } }) {
      if (!(await roomserver.deleteReport(reportId))) throw noReport()
      return {}
    },
  })
}

/** `user_id` is who reported, `sender` who is reported. */
function reportEntry(report: Report, room: PublicRoom | undefined): JsonObject {
  return {
    id: report.id,
    received_ts: report.receivedTs,
    room_id: report.roomId ?? null,
    event_id: report.eventId ?? null,
    user_id: report.reporter,
    sender: report.reportedUser ?? null,
    reason: report.reason,
    score: report.score,
    name: room?.name ?? null,
    canonical_alias: room?.canonicalAlias ?? null,
  }
}

function noReport(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such report')
}
