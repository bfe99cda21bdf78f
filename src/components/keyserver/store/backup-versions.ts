import { statement } from '../../../platform/statement.js'

export interface BackupVersionRow {
  readonly version: number
  readonly algorithm: string
  readonly auth_data: string
  readonly etag: number
  readonly key_count: number
}

/** Serialises the makers of versions of a user: the newest row is what they wait for. */
export const LOCK_BACKUP_VERSIONS = statement<{ version: number; deleted: boolean }, [userId: string]>(
  'keyserver.backup_versions.lock',
  'SELECT version, deleted FROM keyserver.backup_versions WHERE user_id = $1 ORDER BY version DESC FOR UPDATE',
)

export const INSERT_BACKUP_VERSION = statement<
  never,
  [userId: string, version: number, algorithm: string, authData: string]
>(
  'keyserver.backup_versions.insert',
  'INSERT INTO keyserver.backup_versions (user_id, version, algorithm, auth_data) VALUES ($1, $2, $3, $4)',
)

/** The newest when no version is named. */
export const SELECT_BACKUP_VERSION = statement<BackupVersionRow, [userId: string, version: number | null]>(
  'keyserver.backup_versions.select',
  `SELECT version, algorithm, auth_data, etag, key_count FROM keyserver.backup_versions
    WHERE user_id = $1 AND NOT deleted AND ($2::bigint IS NULL OR version = $2) ORDER BY version DESC LIMIT 1`,
)

export const UPDATE_BACKUP_VERSION = statement<
  { version: number },
  [userId: string, version: number, algorithm: string, authData: string]
>(
  'keyserver.backup_versions.update',
  `UPDATE keyserver.backup_versions SET auth_data = $4
    WHERE user_id = $1 AND version = $2 AND algorithm = $3 AND NOT deleted RETURNING version`,
)

export const DELETE_BACKUP_VERSION = statement<{ version: number }, [userId: string, version: number]>(
  'keyserver.backup_versions.delete',
  `UPDATE keyserver.backup_versions SET deleted = true, key_count = 0
    WHERE user_id = $1 AND version = $2 AND NOT deleted RETURNING version`,
)

/** The keys of the version have changed. */
export const UPDATE_BACKUP_CONTENTS = statement<
  { etag: number; key_count: number },
  [userId: string, version: number, added: number]
>(
  'keyserver.backup_versions.update_contents',
  `UPDATE keyserver.backup_versions SET etag = etag + 1, key_count = key_count + $3
    WHERE user_id = $1 AND version = $2 RETURNING etag, key_count`,
)
