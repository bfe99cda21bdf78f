import { statement } from '../../../platform/statement.js'

export interface StateKeyRow {
  readonly state_key_nid: number
  readonly state_key: string
}

/** Interns state keys: the ones that are new get an id. One that another transaction adds meanwhile is in neither half. */
export const INTERN_STATE_KEYS = statement<StateKeyRow, [keys: readonly string[]]>(
  'roomserver.state_keys.intern',
  `WITH known AS (SELECT state_key_nid, state_key FROM roomserver.state_keys WHERE state_key = ANY($1::text[])),
  added AS (
    INSERT INTO roomserver.state_keys (state_key)
    SELECT DISTINCT wanted FROM unnest($1::text[]) AS wanted
    WHERE NOT EXISTS (SELECT FROM known WHERE known.state_key = wanted)
    ON CONFLICT DO NOTHING
    RETURNING state_key_nid, state_key)
  SELECT state_key_nid, state_key FROM known UNION ALL SELECT state_key_nid, state_key FROM added`,
)

export const SELECT_STATE_KEYS = statement<StateKeyRow, [keys: readonly string[]]>(
  'roomserver.state_keys.select',
  'SELECT state_key_nid, state_key FROM roomserver.state_keys WHERE state_key = ANY($1::text[])',
)

export const SELECT_STATE_KEYS_BY_NID = statement<StateKeyRow, [nids: readonly number[]]>(
  'roomserver.state_keys.select_by_nid',
  'SELECT state_key_nid, state_key FROM roomserver.state_keys WHERE state_key_nid = ANY($1::bigint[])',
)
