import { statement } from '../../../platform/statement.js'
import type { UserId } from '../../../protocol/ids.js'

export const UPSERT_USERS = statement<
  never,
  [
    userIds: readonly string[],
    displayNames: readonly (string | null)[],
    avatarUrls: readonly (string | null)[],
    foldedNames: readonly string[],
    folded: readonly string[],
  ]
>(
  'search.users.upsert',
  `INSERT INTO search.users (user_id, display_name, avatar_url, folded_name, folded)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  ON CONFLICT (user_id) DO UPDATE SET display_name = excluded.display_name, avatar_url = excluded.avatar_url,
    folded_name = excluded.folded_name, folded = excluded.folded`,
)

export interface UserRow {
  readonly user_id: UserId
  readonly display_name: string | null
  readonly avatar_url: string | null
}

/**
 * Users in whom all the patterns are found. First those who are called exactly so, then those whose name or id begins so, then
 * those with a profile.
 */
export const SELECT_USERS = statement<
  UserRow,
  [patterns: readonly string[], term: string, prefix: string, idPrefix: string, offset: number, limit: number]
>(
  'search.users.select_matching',
  `SELECT user_id, display_name, avatar_url FROM search.users
  WHERE folded LIKE ALL($1::text[])
  ORDER BY folded_name = $2 DESC, (folded_name LIKE $3 OR user_id LIKE $4) DESC, display_name IS NULL, avatar_url IS NULL,
    user_id
  OFFSET $5 LIMIT $6`,
)
