import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export interface VisibleUserRow {
  readonly user_id: UserId
  readonly display_name: string | null
  readonly avatar_url: string | null
}

/**
 * Of these users those who are joined to a room together with the viewer, or to one that anybody may join or read. The texts of
 * the two state events are canonical JSON and small; only whoever rules a room could make one look open that is not.
 */
export const SELECT_VISIBLE_USERS = statement<VisibleUserRow, [viewer: string, userIds: readonly string[]]>(
  'roomserver.memberships.select_visible',
  `SELECT DISTINCT ON (m.user_id) m.user_id, m.display_name, m.avatar_url
  FROM roomserver.memberships m
  WHERE m.user_id = ANY($2::text[]) AND m.membership = 1 AND (
    EXISTS (
      SELECT FROM roomserver.memberships own
      WHERE own.room_nid = m.room_nid AND own.user_id = $1 AND own.membership = 1)
    OR EXISTS (
      SELECT FROM roomserver.event_types t
      JOIN roomserver.state_keys k ON k.state_key = ''
      JOIN roomserver.current_state c
        ON c.room_nid = m.room_nid AND c.type_nid = t.type_nid AND c.state_key_nid = k.state_key_nid
      JOIN roomserver.events e ON e.event_nid = c.event_nid
      WHERE (t.type = 'm.room.join_rules' AND e.json LIKE '%"join_rule":"public"%')
        OR (t.type = 'm.room.history_visibility' AND e.json LIKE '%"history_visibility":"world_readable"%')))
  ORDER BY m.user_id, m.position DESC`,
)
