import { statement } from '../../../platform/statement.js'
import type { EventRow } from '../room-event.js'

/** The columns of an EventRow; to be selected FROM EVENT_TABLES. */
export const EVENT_COLUMNS = `e.event_nid, e.event_id, e.room_nid, r.room_id, r.room_version, e.type_nid, t.type,
  e.state_key_nid, k.state_key, e.sender, e.depth, e.origin_server_ts, e.position, e.snapshot_id, e.verdict,
  e.auth_event_nids, rb.event_id AS redacted_by, e.redacted_by_nid, e.replaces_nid, e.txn_device_id, e.txn_id,
  rel.thread_root, e.json`

export const EVENT_TABLES = `roomserver.events e
  JOIN roomserver.rooms r ON r.room_nid = e.room_nid
  JOIN roomserver.event_types t ON t.type_nid = e.type_nid
  LEFT JOIN roomserver.state_keys k ON k.state_key_nid = e.state_key_nid
  LEFT JOIN roomserver.events rb ON rb.event_nid = e.redacted_by_nid
  LEFT JOIN roomserver.relations rel ON rel.event_nid = e.event_nid`

export const SELECT_EVENTS_BY_NID = statement<EventRow, [nids: readonly number[]]>(
  'roomserver.events.select_by_nid',
  `SELECT ${EVENT_COLUMNS} FROM ${EVENT_TABLES} WHERE e.event_nid = ANY($1::bigint[])`,
)

export const SELECT_EVENTS_BY_ID = statement<EventRow, [ids: readonly string[]]>(
  'roomserver.events.select_by_id',
  `SELECT ${EVENT_COLUMNS} FROM ${EVENT_TABLES} WHERE e.event_id = ANY($1::text[])`,
)
