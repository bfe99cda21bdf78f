import type { Transaction } from '../../platform/database.js'
import { fitsBytes, MAX_ID_BYTES, type UserId } from '../../protocol/ids.js'
import { getBoolean, getInteger, parseStoredJson, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { BackedUpSession, KeyBackups } from './api.js'
import type { Context } from './context.js'
import { badJson } from './key-shapes.js'
import { DELETE_BACKUP_KEYS, SELECT_BACKUP_KEYS, UPSERT_BACKUP_KEYS } from './store/backup-keys.js'
import {
  type BackupVersionRow,
  DELETE_BACKUP_VERSION,
  INSERT_BACKUP_VERSION,
  LOCK_BACKUP_VERSIONS,
  SELECT_BACKUP_VERSION,
  UPDATE_BACKUP_CONTENTS,
  UPDATE_BACKUP_VERSION,
} from './store/backup-versions.js'

/** Of the algorithm's data, and of one session. Today's sessions have less than 1,000 bytes. */
const DATA_BYTES = 65_536

/** Versions are numbers counted up from 1, written in decimal, as Dendrite's are. */
const VERSION = /^[1-9][0-9]{0,14}$/

export function createBackups(context: Pick<Context, 'database' | 'writers'>): KeyBackups {
  const { database, writers } = context

  const find = async (
    executor: Pick<Transaction, 'run'>,
    userId: UserId,
    version: string | undefined,
  ): Promise<BackupVersionRow | undefined> => {
    const number = version === undefined ? null : numberOf(version)
    if (number === undefined) return undefined
    const [row] = await executor.run(SELECT_BACKUP_VERSION, userId, number)
    return row
  }

  const require = async (executor: Pick<Transaction, 'run'>, userId: UserId, version: string) => {
    const row = await find(executor, userId, version)
    if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such backup version')
    return row
  }

  /** One writer of a user's backups at a time, over all processes. */
  const change = <T>(userId: UserId, body: (tx: Transaction, newest: number) => Promise<T>): Promise<T> =>
    writers.run(userId, () =>
      database.transaction(async (tx) => {
        const versions = await tx.run(LOCK_BACKUP_VERSIONS, userId)
        return body(tx, versions[0]?.version ?? 0)
      }),
    )

  return {
    createBackup: (userId, algorithm, authData) =>
      change(userId, async (tx, newest) => {
        await tx.run(INSERT_BACKUP_VERSION, userId, newest + 1, checkAlgorithm(algorithm), storedJson(authData))
        return String(newest + 1)
      }),

    async backup(userId, version) {
      const row = await find(database, userId, version)
      return (
        row && {
          version: String(row.version),
          algorithm: row.algorithm,
          authData: parseStoredJson(row.auth_data),
          count: row.key_count,
          etag: String(row.etag),
        }
      )
    },

    async updateBackup(userId, version, algorithm, authData) {
      const row = await find(database, userId, version)
      if (row === undefined) return false
      if (row.algorithm !== algorithm)
        throw new MatrixError('M_INVALID_PARAM', 'The algorithm of a backup cannot change')
      const updated = await database.run(UPDATE_BACKUP_VERSION, userId, row.version, algorithm, storedJson(authData))
      return updated.length > 0
    },

    deleteBackup: (userId, version) =>
      change(userId, async (tx) => {
        const number = numberOf(version)
        if (number === undefined) return false
        const [gone] = await Promise.all([
          tx.run(DELETE_BACKUP_VERSION, userId, number),
          tx.run(DELETE_BACKUP_KEYS, userId, number, null, null),
        ])
        return gone.length > 0
      }),

    async putBackupKeys(userId, version, sessions) {
      const columns = columnsOf(sessions)
      return change(userId, async (tx) => {
        const current = await find(tx, userId, undefined)
        if (current === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no backup')
        if (String(current.version) !== version) throw wrongVersion(current)
        const written =
          sessions.length === 0 ? [] : await tx.run(UPSERT_BACKUP_KEYS, userId, current.version, ...columns)
        if (written.length === 0) return { count: current.key_count, etag: String(current.etag) }
        return contentsChanged(tx, userId, current, written.filter((row) => row.added).length)
      })
    },

    async backupKeys(userId, version, roomId, sessionId) {
      const { version: number } = await require(database, userId, version)
      const rows = await database.run(SELECT_BACKUP_KEYS, userId, number, roomId ?? null, sessionId ?? null)
      return rows.map((row) => ({ roomId: row.room_id, sessionId: row.session_id, json: row.content }))
    },

    deleteBackupKeys: (userId, version, roomId, sessionId) =>
      change(userId, async (tx) => {
        const row = await require(tx, userId, version)
        const [deleted] = await tx.run(DELETE_BACKUP_KEYS, userId, row.version, roomId ?? null, sessionId ?? null)
        const gone = deleted?.gone ?? 0
        if (gone === 0) return { count: row.key_count, etag: String(row.etag) }
        return contentsChanged(tx, userId, row, -gone)
      }),
  }
}

async function contentsChanged(tx: Transaction, userId: UserId, row: BackupVersionRow, added: number) {
  const [updated] = await tx.run(UPDATE_BACKUP_CONTENTS, userId, row.version, added)
  return { count: updated?.key_count ?? 0, etag: String(updated?.etag ?? row.etag) }
}

function numberOf(version: string): number | undefined {
  return VERSION.test(version) ? Number(version) : undefined
}

function wrongVersion(current: BackupVersionRow): MatrixError {
  const extra = { current_version: String(current.version) }
  return new MatrixError('M_WRONG_ROOM_KEYS_VERSION', 'This is not the newest backup version', { extra })
}

function checkAlgorithm(algorithm: string): string {
  if (!fitsBytes(algorithm, MAX_ID_BYTES)) throw new MatrixError('M_INVALID_PARAM', 'An algorithm may have 255 bytes')
  return algorithm
}

function storedJson(value: Parameters<typeof stringifyJson>[0]): string {
  const text = stringifyJson(value)
  if (Buffer.byteLength(text) > DATA_BYTES)
    throw new MatrixError('M_TOO_LARGE', `Backup data may have ${DATA_BYTES} bytes`)
  return text
}

type Columns = [string[], string[], boolean[], number[], number[], string[]]

/** @throws M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE */
function columnsOf(sessions: readonly BackedUpSession[]): Columns {
  const columns: Columns = [[], [], [], [], [], []]
  const [rooms, ids, verified, indexes, forwarded, contents] = columns
  for (const { roomId, sessionId, data } of sessions) {
    if (!fitsBytes(roomId, MAX_ID_BYTES) || !fitsBytes(sessionId, MAX_ID_BYTES)) {
      throw new MatrixError('M_INVALID_PARAM', 'A room or session ID may have 255 bytes')
    }
    const isVerified = getBoolean(data, 'is_verified')
    const firstIndex = getInteger(data, 'first_message_index')
    const forwardedCount = getInteger(data, 'forwarded_count')
    if (isVerified === undefined || firstIndex === undefined || forwardedCount === undefined) {
      throw badJson('A backed up session needs first_message_index, forwarded_count and is_verified')
    }
    rooms.push(roomId)
    ids.push(sessionId)
    verified.push(isVerified)
    indexes.push(firstIndex)
    forwarded.push(forwardedCount)
    contents.push(storedJson(data))
  }
  return columns
}
