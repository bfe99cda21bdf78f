import { statement } from '../../../platform/statement.js'

export interface ChainRow {
  readonly snapshot_id: number
  /** Null: a full snapshot. */
  readonly parent_id: number | null
  /** Of an entry that was wanted; null: the snapshot has none. */
  readonly type: string | null
  /** 0: the key is not there. */
  readonly event_nid: number | null
}

/**
 * The chains of snapshots down to the full ones, with those of their entries that are wanted. Chains that meet are walked
 * once, so many states of a room cost little more than one; the lookups by LIMIT 1 keep the planner from reading the
 * whole table, as it cannot know how long a chain is.
 */
export const SELECT_CHAINS = statement<
  ChainRow,
  [snapshotIds: readonly number[], types: readonly string[], stateKeys: readonly string[]]
>(
  'roomserver.state_snapshots.select_chains',
  `WITH RECURSIVE chain AS (
    SELECT s.snapshot_id, s.parent_id FROM roomserver.state_snapshots s WHERE s.snapshot_id = ANY($1::bigint[])
    UNION
    SELECT p.snapshot_id, p.parent_id
    FROM chain c CROSS JOIN LATERAL (
      SELECT s.snapshot_id, s.parent_id FROM roomserver.state_snapshots s
      WHERE s.snapshot_id = c.parent_id LIMIT 1) p),
  wanted AS MATERIALIZED (
    SELECT t.type_nid, k.state_key_nid, t.type
    FROM unnest($2::text[], $3::text[]) AS w(type, state_key)
    JOIN roomserver.event_types t ON t.type = w.type
    JOIN roomserver.state_keys k ON k.state_key = w.state_key)
  SELECT c.snapshot_id, c.parent_id, x.type, x.event_nid
  FROM chain c
  LEFT JOIN LATERAL (
    SELECT w.type, u.event_nid
    FROM (
      SELECT s.type_nids, s.state_key_nids, s.event_nids FROM roomserver.state_snapshots s
      WHERE s.snapshot_id = c.snapshot_id LIMIT 1) s
    CROSS JOIN LATERAL unnest(s.type_nids, s.state_key_nids, s.event_nids) AS u(type_nid, state_key_nid, event_nid)
    JOIN wanted w ON w.type_nid = u.type_nid AND w.state_key_nid = u.state_key_nid) x ON true`,
)
