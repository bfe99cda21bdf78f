import { statement } from '../../../platform/statement.js'

export interface RegistrationTokenRow {
  readonly token: string
  readonly uses_allowed: number | null
  readonly completed: number
  readonly expires_ts: number | null
}

const COLUMNS = 'token, uses_allowed, completed, expires_ts'
const USABLE = '(uses_allowed IS NULL OR completed < uses_allowed) AND (expires_ts IS NULL OR expires_ts > $2)'

/** No row: there is one of that name. */
export const INSERT_REGISTRATION_TOKEN = statement<
  RegistrationTokenRow,
  [token: string, usesAllowed: number | null, expiresTs: number | null]
>(
  'userapi.registration_tokens.insert',
  `INSERT INTO userapi.registration_tokens (token, uses_allowed, expires_ts) VALUES ($1, $2, $3)
   ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
)

export const SELECT_REGISTRATION_TOKENS = statement<RegistrationTokenRow>(
  'userapi.registration_tokens.select_all',
  `SELECT ${COLUMNS} FROM userapi.registration_tokens ORDER BY token`,
)

export const SELECT_REGISTRATION_TOKEN = statement<RegistrationTokenRow, [token: string]>(
  'userapi.registration_tokens.select',
  `SELECT ${COLUMNS} FROM userapi.registration_tokens WHERE token = $1`,
)

/** The flags tell which of the two is to be changed. */
export const UPDATE_REGISTRATION_TOKEN = statement<
  RegistrationTokenRow,
  [token: string, changesUses: boolean, usesAllowed: number | null, changesExpiry: boolean, expiresTs: number | null]
>(
  'userapi.registration_tokens.update',
  `UPDATE userapi.registration_tokens
      SET uses_allowed = CASE WHEN $2::boolean THEN $3::integer ELSE uses_allowed END,
          expires_ts = CASE WHEN $4::boolean THEN $5::bigint ELSE expires_ts END
    WHERE token = $1 RETURNING ${COLUMNS}`,
)

export const DELETE_REGISTRATION_TOKEN = statement<{ token: string }, [token: string]>(
  'userapi.registration_tokens.delete',
  'DELETE FROM userapi.registration_tokens WHERE token = $1 RETURNING token',
)

export const SELECT_USABLE_REGISTRATION_TOKEN = statement<{ token: string }, [token: string, now: number]>(
  'userapi.registration_tokens.select_usable',
  `SELECT token FROM userapi.registration_tokens WHERE token = $1 AND ${USABLE}`,
)

/** Counts one use; no row when there is none left. */
export const USE_REGISTRATION_TOKEN = statement<{ token: string }, [token: string, now: number]>(
  'userapi.registration_tokens.use',
  `UPDATE userapi.registration_tokens SET completed = completed + 1 WHERE token = $1 AND ${USABLE} RETURNING token`,
)
