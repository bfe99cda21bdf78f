import { DatabaseFull, DatabaseUnavailable, StatementTimeout, UnencodableText } from '../platform/database.js'
import type { Log } from '../platform/log.js'
import { JsonError, type JsonObject, stringifyJson } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { InteractiveAuthRequired } from './auth/interactive-error.js'
import { Reply } from './route.js'

/** How long a client should leave a server alone whose database is away. */
const DATABASE_AWAY_S = 5

/** The one place that turns what was thrown into an answer. What nobody expected is logged, and the client told nothing of it. */
export function errorReply(error: unknown, request: { readonly id: string; readonly path: string }, log: Log): Reply {
  if (error instanceof MatrixError) return matrixReply(error)
  if (error instanceof InteractiveAuthRequired) return jsonReply(401, error.body)
  if (error instanceof JsonError) return matrixReply(new MatrixError(error.errcode, error.message))
  if (error instanceof UnencodableText)
    return matrixReply(new MatrixError('M_BAD_JSON', 'A string is not valid Unicode'))
  if (error instanceof DatabaseFull) {
    log.error({ err: error, request: request.id, path: request.path }, 'the database is full')
    return matrixReply(new MatrixError('M_UNKNOWN', 'The server cannot store anything at the moment', { status: 507 }))
  }
  if (error instanceof DatabaseUnavailable || error instanceof StatementTimeout) {
    log.warn({ err: error, request: request.id, path: request.path }, 'the database did not answer')
    const body = { errcode: 'M_UNKNOWN', error: 'The database cannot be reached at the moment' }
    return jsonReply(503, body, { 'Retry-After': String(DATABASE_AWAY_S) })
  }
  log.error({ err: error, request: request.id, path: request.path }, 'a request failed')
  return matrixReply(new MatrixError('M_UNKNOWN', 'Internal server error', { status: 500 }))
}

function matrixReply(error: MatrixError): Reply {
  const retryAfterMs = error.extra.retry_after_ms
  const headers =
    typeof retryAfterMs === 'number' ? { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) } : {}
  return jsonReply(error.status, error.toJSON(), headers)
}

function jsonReply(status: number, body: JsonObject, headers: Record<string, string> = {}): Reply {
  return new Reply({ status, body: stringifyJson(body), headers })
}
