import type { Executor, Transaction } from '../../platform/database.js'
import { LoadingCache } from '../../platform/loading-cache.js'
import { fitsBytes, MAX_ID_BYTES, parseUserId, type RoomId, type UserId } from '../../protocol/ids.js'
import { getObject, isJsonObject, type JsonObject, parseStoredJson, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { type AccountDataEntry, type AccountDataStore, USER_STREAMS } from './api.js'
import { type Context, TOPICS } from './context.js'
import {
  type AccountDataRow,
  SELECT_ACCOUNT_DATA,
  SELECT_ACCOUNT_DATA_BETWEEN,
  SELECT_ACCOUNT_DATA_SIZE,
  SELECT_GLOBAL_ACCOUNT_DATA_OF,
  UPSERT_ACCOUNT_DATA,
} from './store/account-data.js'
import { LOCK_ACCOUNT_FOR_WRITING } from './store/accounts.js'

/** Of one entry: a list of direct chats with a thousand people fits. */
const ENTRY_BYTES = 262_144
/** Of everything a user has. */
const USER_BYTES = 10 * 1024 * 1024

const IGNORED_USERS = 'm.ignored_user_list'

/** An upper bound of what a user has stored; corrected from the database before anything is refused. */
interface StoredBytes {
  atMost: number
}

export function createAccountData(context: Context): AccountDataStore {
  const { database, streamClock, feed, bus, caches } = context

  const ignored = new LoadingCache<UserId, ReadonlySet<UserId>>(
    caches.cache('userapi.ignored_users', (users) => 200 + users.size * 120),
    async (userIds) => {
      const rows = await database.run(SELECT_GLOBAL_ACCOUNT_DATA_OF, userIds, IGNORED_USERS)
      const lists = new Map<UserId, ReadonlySet<UserId>>(userIds.map((userId) => [userId, new Set()]))
      for (const row of rows) lists.set(row.user_id, readIgnored(row.content))
      return lists
    },
  )
  bus.subscribe(TOPICS.ignored, (userIds) => ignored.invalidate(userIds as readonly UserId[]))

  const sizes = caches.cache<UserId, StoredBytes>('userapi.account_data_sizes', () => 100)

  const measure = async (executor: Executor, userId: UserId): Promise<StoredBytes> => {
    const [row] = await executor.run(SELECT_ACCOUNT_DATA_SIZE, userId)
    const stored = { atMost: row?.size ?? 0 }
    sizes.set(userId, stored)
    return stored
  }

  const makeRoom = async (executor: Executor, userId: UserId, size: number): Promise<void> => {
    const known = sizes.get(userId)
    let stored = known ?? (await measure(executor, userId))
    // Replaced entries have been counted as well as their successors.
    if (known !== undefined && known.atMost + size > USER_BYTES) stored = await measure(executor, userId)
    if (stored.atMost + size > USER_BYTES) throw new MatrixError('M_TOO_LARGE', 'All account data is full (10 MiB)')
    stored.atMost += size
  }

  const write = async (
    tx: Transaction,
    userId: UserId,
    roomId: RoomId | undefined,
    type: string,
    content: string,
  ): Promise<number> => {
    const position = await streamClock.take(tx, 1)
    tx.afterCommit(() => {
      if (roomId === undefined && type === IGNORED_USERS) bus.publish(TOPICS.ignored, [userId])
      feed.publish({ stream: USER_STREAMS.accountData, position, keys: [userId] })
    })
    await tx.run(UPSERT_ACCOUNT_DATA, userId, roomId ?? '', type, content, Buffer.byteLength(content), position)
    return position
  }

  return {
    async accountData(userId, roomId, type) {
      const [row] = await database.run(SELECT_ACCOUNT_DATA, userId, roomId ?? '', type)
      return row === undefined ? undefined : entry(row)
    },

    async accountDataBetween(userId, after, upTo) {
      return (await database.run(SELECT_ACCOUNT_DATA_BETWEEN, userId, after, upTo)).map(entry)
    },

    async setAccountData(userId, roomId, type, content) {
      await makeRoom(database, userId, checkEntry(type, content))
      return database.transaction((tx) => write(tx, userId, roomId, type, content))
    },

    async updateAccountData(userId, roomId, type, change) {
      await database.transaction(async (tx) => {
        const [, [row]] = await Promise.all([
          tx.run(LOCK_ACCOUNT_FOR_WRITING, userId),
          tx.run(SELECT_ACCOUNT_DATA, userId, roomId ?? '', type),
        ])
        const changed = change(row === undefined ? Object.create(null) : parseContent(row.content))
        if (changed === undefined) return
        const content = stringifyJson(changed)
        await makeRoom(tx, userId, checkEntry(type, content))
        await write(tx, userId, roomId, type, content)
      })
    },

    ignoredUsers: async (userId) => (await ignored.get(userId)) ?? new Set(),

    async ignoring(userIds, sender) {
      const lists = await ignored.getMany(userIds)
      return new Set(userIds.filter((userId) => lists.get(userId)?.has(sender) === true))
    },

    async accountDataOf(userIds, type) {
      if (userIds.length === 0) return new Map()
      const rows = await database.run(SELECT_GLOBAL_ACCOUNT_DATA_OF, userIds, type)
      return new Map(rows.map((row) => [row.user_id, row.content]))
    },
  }
}

function entry(row: AccountDataRow): AccountDataEntry {
  const roomId = row.room_id === '' ? undefined : row.room_id
  return { roomId, type: row.type, content: row.content, position: row.position }
}

/** Returns its bytes. */
function checkEntry(type: string, content: string): number {
  if (!fitsBytes(type, MAX_ID_BYTES)) throw new MatrixError('M_TOO_LARGE', 'A type may have 255 bytes')
  const size = Buffer.byteLength(content)
  if (size > ENTRY_BYTES) throw new MatrixError('M_TOO_LARGE', 'Account data of one type may have 256 KiB')
  return size
}

function parseContent(text: string): JsonObject {
  const content = parseStoredJson(text)
  return isJsonObject(content) ? content : Object.create(null)
}

/** Clients write it, so anything may be in there: what is no user id is nobody. */
function readIgnored(text: string): ReadonlySet<UserId> {
  const users = getObject(parseContent(text), 'ignored_users')
  const ids = Object.keys(users ?? {}).map((id) => parseUserId(id))
  return new Set(ids.filter((id) => id !== undefined))
}
