import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

/** Empty viewer: everybody who shares a room. */
export const UPSERT_DEVICE_LIST_CHANGES = statement<
  never,
  [userIds: readonly string[], viewers: readonly string[], position: number]
>(
  'keyserver.device_list_changes.upsert',
  `INSERT INTO keyserver.device_list_changes AS present (user_id, viewer, position)
   SELECT DISTINCT user_id, viewer, $3::bigint FROM unnest($1::text[], $2::text[]) AS given(user_id, viewer)
    ORDER BY 1, 2
   ON CONFLICT (user_id, viewer) DO UPDATE SET position = greatest(present.position, EXCLUDED.position)`,
)

export const SELECT_DEVICE_LIST_CHANGES = statement<
  { user_id: UserId },
  [userIds: readonly string[], viewer: string, after: number]
>(
  'keyserver.device_list_changes.select',
  `SELECT DISTINCT user_id FROM keyserver.device_list_changes
    WHERE user_id = ANY ($1::text[]) AND viewer IN ('', $2) AND position > $3`,
)
