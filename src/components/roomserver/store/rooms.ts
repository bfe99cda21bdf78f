import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId } from '../../../protocol/ids.js'

export interface RoomRow {
  readonly room_nid: number
  readonly room_id: RoomId
  readonly room_version: string
}

export const SELECT_ROOMS_BY_ID = statement<RoomRow, [roomIds: readonly string[]]>(
  'roomserver.rooms.select_by_id',
  'SELECT room_nid, room_id, room_version FROM roomserver.rooms WHERE room_id = ANY($1::text[])',
)

export const SELECT_ROOMS_BY_NID = statement<RoomRow, [nids: readonly number[]]>(
  'roomserver.rooms.select_by_nid',
  'SELECT room_nid, room_id, room_version FROM roomserver.rooms WHERE room_nid = ANY($1::bigint[])',
)

export interface HeadRow extends RoomRow {
  readonly head_version: number
  readonly depth: number
  readonly current_snapshot_id: number | null
  readonly chain_entries: number | null
  readonly state_size: number | null
  readonly joined_members: number
  readonly invited_members: number
  readonly local_joined_members: number
  /** Three arrays in the same order: the forward extremities, newest last. */
  readonly extremity_nids: number[]
  readonly extremity_ids: EventId[]
  readonly extremity_depths: number[]
}

export const SELECT_HEADS = statement<HeadRow, [roomIds: readonly string[]]>(
  'roomserver.rooms.select_heads',
  `SELECT r.room_nid, r.room_id, r.room_version, r.head_version, r.depth, r.current_snapshot_id, s.chain_entries,
    s.state_size, r.joined_members, r.invited_members, r.local_joined_members,
    x.nids AS extremity_nids, x.ids AS extremity_ids, x.depths AS extremity_depths
  FROM roomserver.rooms r
  LEFT JOIN roomserver.state_snapshots s ON s.snapshot_id = r.current_snapshot_id
  CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(e.event_nid ORDER BY f.place), '{}') AS nids,
      coalesce(array_agg(e.event_id ORDER BY f.place), '{}') AS ids,
      coalesce(array_agg(e.depth ORDER BY f.place), '{}') AS depths
    FROM unnest(r.forward_extremities) WITH ORDINALITY AS f(event_nid, place)
    JOIN roomserver.events e ON e.event_nid = f.event_nid) x
  WHERE r.room_id = ANY($1::text[])`,
)

/** Before the batch's last statement, which fills the head in. */
export const INSERT_ROOMS = statement<
  never,
  [nids: readonly number[], roomIds: readonly string[], versions: readonly string[]]
>(
  'roomserver.rooms.insert',
  `INSERT INTO roomserver.rooms (room_nid, room_id, room_version)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])`,
)
