import type { JsonValue } from './json.js'

/**
 * Every error code of the specification (and the few that clients know from its proposals), with the HTTP status that
 * it usually comes with. Where an operation asks for another status, the thrower names it.
 */
export const ERROR_STATUS = {
  M_APPSERVICE_LOGIN_UNSUPPORTED: 400,
  M_BAD_ALIAS: 400,
  M_BAD_JSON: 400,
  M_BAD_STATE: 403,
  M_BAD_STATUS: 502,
  M_CANNOT_LEAVE_SERVER_NOTICE_ROOM: 403,
  M_CANNOT_OVERWRITE_MEDIA: 409,
  M_CAPTCHA_INVALID: 401,
  M_CAPTCHA_NEEDED: 401,
  M_CONNECTION_FAILED: 502,
  M_CONNECTION_TIMEOUT: 504,
  M_DUPLICATE_ANNOTATION: 400,
  M_EXCLUSIVE: 400,
  M_FORBIDDEN: 403,
  M_GUEST_ACCESS_FORBIDDEN: 403,
  M_INCOMPATIBLE_ROOM_VERSION: 400,
  M_INVALID_PARAM: 400,
  M_INVALID_ROOM_STATE: 400,
  M_INVALID_SIGNATURE: 400,
  M_INVALID_USERNAME: 400,
  M_INVITE_BLOCKED: 403,
  M_KEY_TOO_LARGE: 400,
  M_LIMIT_EXCEEDED: 429,
  M_MISSING_PARAM: 400,
  M_MISSING_TOKEN: 401,
  M_NOT_FOUND: 404,
  M_NOT_JSON: 400,
  M_NOT_YET_UPLOADED: 504,
  M_PROFILE_TOO_LARGE: 400,
  M_RESOURCE_LIMIT_EXCEEDED: 403,
  M_ROOM_IN_USE: 400,
  M_SERVER_NOT_TRUSTED: 400,
  M_SESSION_EXPIRED: 400,
  M_SESSION_NOT_VALIDATED: 400,
  M_TERMS_NOT_SIGNED: 403,
  M_THREEPID_AUTH_FAILED: 400,
  M_THREEPID_DENIED: 403,
  M_THREEPID_IN_USE: 400,
  M_THREEPID_MEDIUM_NOT_SUPPORTED: 400,
  M_THREEPID_NOT_FOUND: 400,
  M_TOKEN_INCORRECT: 400,
  M_TOO_LARGE: 413,
  M_UNABLE_TO_AUTHORISE_JOIN: 400,
  M_UNABLE_TO_GRANT_JOIN: 400,
  M_UNAUTHORIZED: 401,
  M_UNKNOWN: 400,
  M_UNKNOWN_DEVICE: 400,
  M_UNKNOWN_POS: 400,
  M_UNKNOWN_TOKEN: 401,
  M_UNRECOGNIZED: 404,
  M_UNSUPPORTED_ROOM_VERSION: 400,
  M_URL_NOT_SET: 400,
  M_USER_DEACTIVATED: 403,
  M_USER_IN_USE: 400,
  M_USER_LIMIT_EXCEEDED: 403,
  M_USER_LOCKED: 401,
  M_USER_SUSPENDED: 403,
  M_WEAK_PASSWORD: 400,
  M_WRONG_ROOM_KEYS_VERSION: 403,
} as const

export type Errcode = keyof typeof ERROR_STATUS

export interface MatrixErrorDetails {
  /** HTTP status, where it is not the usual one of the code. */
  readonly status?: number
  /** Further members of the answer: `soft_logout`, `retry_after_ms`, `room_version`, `admin_contact`. */
  readonly extra?: Readonly<Record<string, JsonValue>>
  /** What has led to it, for the log. Never shown to the client. */
  readonly cause?: unknown
}

/**
 * A failure that the specification has a name for. Thrown anywhere above `platform`; the error handler of `http` is the
 * only place that makes an answer of it. `message` is shown to people and must not hold secrets.
 */
export class MatrixError extends Error {
  readonly errcode: Errcode
  readonly status: number
  readonly extra: Readonly<Record<string, JsonValue>>

  constructor(errcode: Errcode, message: string, details: MatrixErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'MatrixError'
    this.errcode = errcode
    this.status = details.status ?? ERROR_STATUS[errcode]
    this.extra = details.extra ?? {}
  }

  /** The body of the answer. Client-server API "Standard error response". */
  toJSON(): Record<string, JsonValue> {
    return { ...this.extra, errcode: this.errcode, error: this.message }
  }
}

/** M_LIMIT_EXCEEDED with the time after which to try again, in ms. */
export function limitExceeded(retryAfterMs: number, message = 'Too many requests'): MatrixError {
  return new MatrixError('M_LIMIT_EXCEEDED', message, { extra: { retry_after_ms: Math.ceil(retryAfterMs) } })
}
