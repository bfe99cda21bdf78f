import type { OutboundReason } from '../../platform/http-client.js'
import type { ServerName } from '../../protocol/ids.js'
import { getInteger, getString, type JsonObject } from '../../protocol/json.js'
import { ERROR_STATUS, type Errcode, MatrixError } from '../../protocol/matrix-error.js'

export type FederationReason =
  /** `global.disable_federation`. */
  | 'disabled'
  /** It has failed too often to be asked now. Nothing was sent. */
  | 'backing-off'
  /** It has answered, with a status other than 200. */
  | 'refused'
  /** It has answered 200 with something that is not a JSON object. */
  | 'bad-answer'
  | OutboundReason

export interface FailureDetails {
  /** Of a refusal. */
  readonly status?: number
  /** Body of a refusal, where it is a JSON object. */
  readonly body?: JsonObject | undefined
  /** What it has asked for (`Retry-After`). */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** Another server could not be asked, or has not done what it was asked for. The text is for the log. */
export class FederationFailure extends Error {
  override name = 'FederationFailure'
  readonly reason: FederationReason
  readonly destination: ServerName
  readonly status: number | undefined
  readonly body: JsonObject | undefined
  readonly retryAfterMs: number | undefined

  constructor(reason: FederationReason, destination: ServerName, message: string, details: FailureDetails = {}) {
    super(`${destination}: ${message}`, details.cause === undefined ? {} : { cause: details.cause })
    this.reason = reason
    this.destination = destination
    this.status = details.status
    this.body = details.body
    this.retryAfterMs = details.retryAfterMs
  }

  /** The code of a refusal, as the other server wrote it. */
  get errcode(): string | undefined {
    return this.body && getString(this.body, 'errcode')
  }
}

/** What a client may be told in another server's words. Anything else would be taken for a judgement of ours on its session or request. */
const PASSED_ON: ReadonlySet<string> = new Set<Errcode>([
  'M_BAD_STATE',
  'M_DUPLICATE_ANNOTATION',
  'M_FORBIDDEN',
  'M_INCOMPATIBLE_ROOM_VERSION',
  'M_INVITE_BLOCKED',
  'M_LIMIT_EXCEEDED',
  'M_NOT_FOUND',
  'M_NOT_YET_UPLOADED',
  'M_ROOM_IN_USE',
  'M_TOO_LARGE',
  'M_UNABLE_TO_AUTHORISE_JOIN',
  'M_UNABLE_TO_GRANT_JOIN',
  'M_UNSUPPORTED_ROOM_VERSION',
])

/** Of another server's text; people read it. */
const MOST_TEXT = 500
/** Longer than that a client would take for never. */
const LONGEST_RETRY_MS = 3_600_000

/**
 * What a client is answered when another server has failed: the other's own refusal where that is about what was asked for, and
 * 502 or 504 otherwise. A remote 401 never reaches a client as 401: it would log itself out.
 */
export function clientError(failure: FederationFailure): MatrixError {
  const { reason, destination, errcode } = failure
  if (reason === 'disabled') return new MatrixError('M_FORBIDDEN', 'This server does not talk to others')
  if (reason === 'refused' && errcode !== undefined && PASSED_ON.has(errcode))
    return passedOn(failure, errcode as Errcode)
  const isLate = reason === 'timeout'
  const text = isLate ? `${destination} did not answer in time` : `${destination} could not be reached or has failed`
  return new MatrixError('M_UNKNOWN', text, { status: isLate ? 504 : 502, cause: failure })
}

function passedOn(failure: FederationFailure, errcode: Errcode): MatrixError {
  const { body = {}, destination, retryAfterMs } = failure
  const roomVersion = getString(body, 'room_version')
  const retry = retryAfterMs ?? getInteger(body, 'retry_after_ms')
  const extra = {
    ...(errcode === 'M_INCOMPATIBLE_ROOM_VERSION' && roomVersion !== undefined ? { room_version: roomVersion } : {}),
    ...(errcode === 'M_LIMIT_EXCEEDED' && retry !== undefined
      ? { retry_after_ms: Math.min(Math.max(retry, 0), LONGEST_RETRY_MS) }
      : {}),
  }
  const text = getString(body, 'error')?.slice(0, MOST_TEXT) ?? `${destination} has refused`
  // The status of the code, not the one that was sent: a refusal must not come with a status that means something else.
  return new MatrixError(errcode, text, { status: ERROR_STATUS[errcode], extra, cause: failure })
}
