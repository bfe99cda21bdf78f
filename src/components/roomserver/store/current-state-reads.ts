import { statement } from '../../../platform/statement.js'
import type { RoomId } from '../../../protocol/ids.js'

export interface StateEntryRow {
  readonly room_id: RoomId
  readonly type: string
  readonly state_key: string
  readonly event_nid: number
}

/** Pairs wanted of a state by name, with the ids behind them; a null state key is all keys of the type. */
const WANTED = `wanted AS (
  SELECT t.type_nid, t.type, k.state_key_nid
  FROM unnest($2::text[], $3::text[]) AS w(type, state_key)
  JOIN roomserver.event_types t ON t.type = w.type
  LEFT JOIN roomserver.state_keys k ON k.state_key = w.state_key
  WHERE w.state_key IS NULL OR k.state_key_nid IS NOT NULL)`

type Columns = [roomIds: readonly string[], types: readonly string[], stateKeys: readonly (string | null)[]]

/** Some of the current state of rooms. */
export const SELECT_STATE_ENTRIES = statement<StateEntryRow, Columns>(
  'roomserver.current_state.select_entries',
  `WITH ${WANTED}
  SELECT DISTINCT r.room_id, w.type, k.state_key, c.event_nid
  FROM roomserver.rooms r
  CROSS JOIN wanted w
  CROSS JOIN LATERAL (
    SELECT c.state_key_nid, c.event_nid FROM roomserver.current_state c
    WHERE w.state_key_nid IS NOT NULL
      AND c.room_nid = r.room_nid AND c.type_nid = w.type_nid AND c.state_key_nid = w.state_key_nid
    UNION ALL
    SELECT c.state_key_nid, c.event_nid FROM roomserver.current_state c
    WHERE w.state_key_nid IS NULL AND c.room_nid = r.room_nid AND c.type_nid = w.type_nid) c
  JOIN roomserver.state_keys k ON k.state_key_nid = c.state_key_nid
  WHERE r.room_id = ANY($1::text[])`,
)

export interface DirectoryStateRow {
  readonly room_id: RoomId
  readonly type: string
  readonly json: string
}

/** What the room directory shows of rooms: texts of their state events of these types with the empty state key. */
export const SELECT_DIRECTORY_STATE = statement<
  DirectoryStateRow,
  [roomIds: readonly string[], types: readonly string[]]
>(
  'roomserver.current_state.select_directory',
  `SELECT r.room_id, t.type, e.json
  FROM roomserver.rooms r
  CROSS JOIN roomserver.event_types t
  JOIN roomserver.state_keys k ON k.state_key = ''
  JOIN roomserver.current_state c
    ON c.room_nid = r.room_nid AND c.type_nid = t.type_nid AND c.state_key_nid = k.state_key_nid
  JOIN roomserver.events e ON e.event_nid = c.event_nid
  WHERE r.room_id = ANY($1::text[]) AND t.type = ANY($2::text[])`,
)
