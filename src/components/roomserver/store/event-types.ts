import { statement } from '../../../platform/statement.js'

export interface TypeRow {
  readonly type_nid: number
  readonly type: string
}

/** Interns types: the ones that are new get an id. A type that another transaction adds meanwhile is in neither half. */
export const INTERN_TYPES = statement<TypeRow, [types: readonly string[]]>(
  'roomserver.event_types.intern',
  `WITH known AS (SELECT type_nid, type FROM roomserver.event_types WHERE type = ANY($1::text[])),
  added AS (
    INSERT INTO roomserver.event_types (type)
    SELECT DISTINCT wanted FROM unnest($1::text[]) AS wanted
    WHERE NOT EXISTS (SELECT FROM known WHERE known.type = wanted)
    ON CONFLICT DO NOTHING
    RETURNING type_nid, type)
  SELECT type_nid, type FROM known UNION ALL SELECT type_nid, type FROM added`,
)

export const SELECT_TYPES = statement<TypeRow, [types: readonly string[]]>(
  'roomserver.event_types.select',
  'SELECT type_nid, type FROM roomserver.event_types WHERE type = ANY($1::text[])',
)

export const SELECT_TYPES_BY_NID = statement<TypeRow, [nids: readonly number[]]>(
  'roomserver.event_types.select_by_nid',
  'SELECT type_nid, type FROM roomserver.event_types WHERE type_nid = ANY($1::bigint[])',
)
