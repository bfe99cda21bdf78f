import { statement } from '../../../platform/statement.js'
import type { EventId } from '../../../protocol/ids.js'

/** The empty state, before m.room.create: it has no row. */
export const EMPTY_SNAPSHOT = 0

/** Entries and chains of snapshots; the arrays of each row are PostgreSQL array literals. */
export const INSERT_SNAPSHOTS = statement<
  never,
  [
    snapshotIds: readonly number[],
    roomNids: readonly number[],
    parentIds: readonly (number | null)[],
    chainEntries: readonly number[],
    stateSizes: readonly number[],
    typeNids: readonly string[],
    stateKeyNids: readonly string[],
    eventNids: readonly string[],
  ]
>(
  'roomserver.state_snapshots.insert',
  `INSERT INTO roomserver.state_snapshots
    (snapshot_id, room_nid, parent_id, chain_entries, state_size, type_nids, state_key_nids, event_nids)
  SELECT s.id, s.room_nid, s.parent_id, s.chain_entries, s.state_size, s.types::bigint[], s.keys::bigint[],
    s.events::bigint[]
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[])
    AS s(id, room_nid, parent_id, chain_entries, state_size, types, keys, events)`,
)

export interface SnapshotEntryRow {
  readonly snapshot_id: number
  readonly type_nid: number
  readonly type: string
  readonly state_key_nid: number
  readonly state_key: string
  readonly event_nid: number
  readonly event_id: EventId
}

/**
 * Whole states behind snapshots, one row per key. The chain is walked to the full snapshot; of each key the entry
 * nearest to the start wins, and one that names event 0 removes the key. `OFFSET 0` keeps the lookups by index: the
 * planner cannot know how long a chain is.
 */
export const SELECT_SNAPSHOT_STATES = statement<SnapshotEntryRow, [snapshotIds: readonly number[]]>(
  'roomserver.state_snapshots.select_states',
  `WITH RECURSIVE chain AS (
    SELECT s.snapshot_id AS start_id, s.snapshot_id, s.parent_id, 0 AS distance
    FROM roomserver.state_snapshots s WHERE s.snapshot_id = ANY($1::bigint[])
    UNION ALL
    SELECT c.start_id, p.snapshot_id, p.parent_id, c.distance + 1
    FROM chain c CROSS JOIN LATERAL (
      SELECT s.snapshot_id, s.parent_id FROM roomserver.state_snapshots s WHERE s.snapshot_id = c.parent_id OFFSET 0) p),
  entries AS (
    SELECT DISTINCT ON (c.start_id, u.type_nid, u.state_key_nid) c.start_id, u.type_nid, u.state_key_nid, u.event_nid
    FROM chain c CROSS JOIN LATERAL (
      SELECT u.* FROM roomserver.state_snapshots s
      CROSS JOIN LATERAL unnest(s.type_nids, s.state_key_nids, s.event_nids) AS u(type_nid, state_key_nid, event_nid)
      WHERE s.snapshot_id = c.snapshot_id OFFSET 0) u
    ORDER BY c.start_id, u.type_nid, u.state_key_nid, c.distance)
  SELECT n.start_id AS snapshot_id, n.type_nid, t.type, n.state_key_nid, k.state_key, n.event_nid, e.event_id
  FROM entries n
  JOIN roomserver.event_types t ON t.type_nid = n.type_nid
  CROSS JOIN LATERAL (
    SELECT s.state_key FROM roomserver.state_keys s WHERE s.state_key_nid = n.state_key_nid OFFSET 0) k
  CROSS JOIN LATERAL (
    SELECT x.event_id FROM roomserver.events x WHERE x.event_nid = n.event_nid OFFSET 0) e
  WHERE n.event_nid <> 0`,
)

export interface SnapshotSizeRow {
  readonly snapshot_id: number
  readonly chain_entries: number
  readonly state_size: number
}

export const SELECT_SNAPSHOT_SIZES = statement<SnapshotSizeRow, [snapshotIds: readonly number[]]>(
  'roomserver.state_snapshots.select_sizes',
  'SELECT snapshot_id, chain_entries, state_size FROM roomserver.state_snapshots WHERE snapshot_id = ANY($1::bigint[])',
)
