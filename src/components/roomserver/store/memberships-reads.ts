import { statement } from '../../../platform/statement.js'
import type { EventId, RoomId, ServerName, UserId } from '../../../protocol/ids.js'

export interface MembershipRow {
  readonly room_id: RoomId
  readonly user_id: UserId
  readonly membership: number
  readonly sender: UserId
  readonly event_id: EventId
  readonly position: number
  readonly forgotten: boolean
  readonly display_name: string | null
  readonly avatar_url: string | null
  readonly stripped_state: string | null
}

const MEMBERSHIPS = `SELECT r.room_id, m.user_id, m.membership, m.sender, e.event_id, m.position, m.forgotten,
    m.display_name, m.avatar_url, m.stripped_state
  FROM roomserver.memberships m
  JOIN roomserver.rooms r ON r.room_nid = m.room_nid
  JOIN roomserver.events e ON e.event_nid = m.event_nid`

export const SELECT_USER_MEMBERSHIPS = statement<MembershipRow, [userId: string]>(
  'roomserver.memberships.select_of_user',
  `${MEMBERSHIPS} WHERE m.user_id = $1`,
)

export const SELECT_MEMBERSHIP = statement<MembershipRow, [roomId: string, userId: string]>(
  'roomserver.memberships.select_one',
  `${MEMBERSHIPS} WHERE r.room_id = $1 AND m.user_id = $2`,
)

/** Members of rooms by the time they became so; null: every membership. */
export const SELECT_MEMBERS = statement<
  MembershipRow,
  [roomIds: readonly string[], memberships: readonly number[] | null]
>(
  'roomserver.memberships.select_of_rooms',
  `${MEMBERSHIPS} WHERE r.room_id = ANY($1::text[]) AND ($2::smallint[] IS NULL OR m.membership = ANY($2::smallint[]))
  ORDER BY m.position, m.user_id`,
)

export interface SummaryRow {
  readonly room_id: RoomId
  readonly joined_members: number
  readonly invited_members: number
  /** Two arrays in the same order: the first members, joined and invited ones before those who are gone. */
  readonly user_ids: UserId[]
  readonly memberships: number[]
}

/** `firstMembers` of each room are named. */
export const SELECT_SUMMARIES = statement<SummaryRow, [roomIds: readonly string[], firstMembers: number]>(
  'roomserver.memberships.select_summaries',
  `SELECT r.room_id, r.joined_members, r.invited_members, f.user_ids, f.memberships
  FROM roomserver.rooms r
  CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(m.user_id ORDER BY m.gone, m.position, m.user_id), '{}') AS user_ids,
      coalesce(array_agg(m.membership ORDER BY m.gone, m.position, m.user_id), '{}') AS memberships
    FROM (
      SELECT n.user_id, n.membership, n.position, n.membership > 2 AS gone FROM roomserver.memberships n
      WHERE n.room_nid = r.room_nid AND n.membership <> 3
      ORDER BY n.membership > 2, n.position, n.user_id LIMIT $2) m) f
  WHERE r.room_id = ANY($1::text[])`,
)

export const SELECT_LOCAL_JOINED = statement<{ readonly user_id: UserId }, [roomId: string]>(
  'roomserver.memberships.select_local_joined',
  `SELECT m.user_id FROM roomserver.memberships m JOIN roomserver.rooms r ON r.room_nid = m.room_nid
  WHERE r.room_id = $1 AND m.membership = 1 AND m.is_local`,
)

export const SELECT_JOINED_SERVERS = statement<{ readonly server_name: ServerName }, [roomId: string]>(
  'roomserver.memberships.select_joined_servers',
  `SELECT DISTINCT substr(m.user_id, strpos(m.user_id, ':') + 1) AS server_name
  FROM roomserver.memberships m JOIN roomserver.rooms r ON r.room_nid = m.room_nid
  WHERE r.room_id = $1 AND m.membership = 1`,
)

/** With `onlyEncrypted`, rooms whose current state has m.room.encryption. */
const SHARED_ROOMS = `
  FROM roomserver.memberships own
  JOIN roomserver.memberships m ON m.room_nid = own.room_nid AND m.membership = 1
  WHERE own.user_id = $1 AND own.membership = 1`

const IS_ENCRYPTED = `EXISTS (
    SELECT FROM roomserver.current_state c
    WHERE c.room_nid = own.room_nid
      AND c.type_nid = (SELECT t.type_nid FROM roomserver.event_types t WHERE t.type = 'm.room.encryption')
      AND c.state_key_nid = (SELECT k.state_key_nid FROM roomserver.state_keys k WHERE k.state_key = ''))`

export const SELECT_SHARING_USERS = statement<{ readonly user_id: UserId }, [userId: string]>(
  'roomserver.memberships.select_sharing',
  `SELECT DISTINCT m.user_id ${SHARED_ROOMS}`,
)

export const SELECT_SHARING_USERS_ENCRYPTED = statement<{ readonly user_id: UserId }, [userId: string]>(
  'roomserver.memberships.select_sharing_encrypted',
  `SELECT DISTINCT m.user_id ${SHARED_ROOMS} AND ${IS_ENCRYPTED}`,
)

export const SELECT_SHARING_AMONG = statement<
  { readonly user_id: UserId },
  [userId: string, others: readonly string[]]
>(
  'roomserver.memberships.select_sharing_among',
  `SELECT o.user_id FROM unnest($2::text[]) AS o(user_id)
  WHERE EXISTS (
    SELECT FROM roomserver.memberships m
    JOIN roomserver.memberships own ON own.room_nid = m.room_nid AND own.user_id = $1 AND own.membership = 1
    WHERE m.user_id = o.user_id AND m.membership = 1)`,
)

export const SELECT_SHARING_AMONG_ENCRYPTED = statement<
  { readonly user_id: UserId },
  [userId: string, others: readonly string[]]
>(
  'roomserver.memberships.select_sharing_among_encrypted',
  `SELECT DISTINCT m.user_id ${SHARED_ROOMS} AND m.user_id = ANY($2::text[]) AND ${IS_ENCRYPTED}`,
)
