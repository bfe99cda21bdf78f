import type { Config } from '../../config/schema.js'
import type { Database } from '../../platform/database.js'
import type { UserId } from '../../protocol/ids.js'
import type { RoomServer } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import type { FoundUser, MessageQuery, Search } from './api.js'
import { folded, plain, wordsOf } from './folding.js'
import { Indexer, KEY_CODES } from './indexer.js'
import { textSearchConfiguration } from './languages.js'
import { SELECT_CURSOR, SET_CURSOR } from './store/cursor.js'
import { DELETE_MESSAGES, SELECT_CLOSEST, SELECT_RECENT } from './store/messages.js'
import { SELECT_USERS } from './store/users.js'

export interface SearchDeps {
  readonly database: Database
  readonly config: Config['sync_api']['search']
  readonly roomserver: Pick<RoomServer, 'readLog' | 'visibleUsers'>
  readonly userapi: Pick<UserApi, 'isLocal' | 'profiles' | 'ignoredUsers'>
}

/** Stands in place of a language: switched on again, everything is indexed from the beginning. */
const SWITCHED_OFF = 'off'
/** Characters of a search term that are looked at. */
const MAX_TERM = 500
/** Words of a term for users; each is a pass over the names. */
const MAX_WORDS = 8
/** Users that are asked about at once, and how often, to find those whom the viewer may know of. */
const USERS_PER_STEP = 200
const MAX_STEPS = 10

export function createSearch(deps: SearchDeps): Search {
  const { database, config, roomserver } = deps
  const searchesMessages = config.enabled
  const configuration = searchesMessages ? textSearchConfiguration(config.language) : SWITCHED_OFF
  const indexer = new Indexer({ ...deps, configuration, searchesMessages })

  return {
    searchesMessages,
    words: (term) => wordsOf(term.slice(0, MAX_TERM)),
    async messages(query) {
      const { order, roomIds, keys, senders, notSenders, offset, limit } = query
      if (!searchesMessages || roomIds.length === 0 || keys.length === 0) return { matches: [], count: 0 }
      const rows = await database.run(
        order === 'rank' ? SELECT_CLOSEST : SELECT_RECENT,
        configuration,
        termOf(query),
        roomIds,
        keys.map((key) => KEY_CODES[key]),
        senders ?? null,
        notSenders,
        offset,
        limit,
      )
      return {
        matches: rows.map((row) => ({ eventId: row.event_id, rank: row.rank })),
        count: rows[0]?.count ?? 0,
      }
    },
    users: (query) => findUsers(deps, query),
    async start() {
      const [cursor] = await database.run(SELECT_CURSOR)
      if (cursor !== undefined && cursor.language !== configuration) {
        // Words are stored as their stems, which in another language are others; what is switched off is kept no longer.
        await database.run(DELETE_MESSAGES)
        await database.run(SET_CURSOR, 0, configuration)
      }
      const position = cursor?.language === configuration ? cursor.position : 0
      indexer.startAt(position)
      roomserver.readLog({ name: 'search', read: (entries) => indexer.index(entries) }, position)
    },
    stop: () => indexer.finish(),
  }
}

function termOf({ term }: MessageQuery): string {
  return plain(term.slice(0, MAX_TERM))
}

/** Those whom the viewer ignores are left out; one more than asked for tells whether there are more. */
async function findUsers(
  { database, roomserver, userapi }: SearchDeps,
  { term, viewer, limit }: { readonly term: string; readonly viewer: UserId; readonly limit: number },
): Promise<{ users: FoundUser[]; limited: boolean }> {
  const wanted = folded(term.slice(0, MAX_TERM))
  const words = wanted
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, MAX_WORDS)
  const ignored = await userapi.ignoredUsers(viewer)
  const patterns = words.map((word) => `%${likeText(word)}%`)
  const id = likeText(wanted.startsWith('@') ? wanted : `@${wanted}`)
  const users: FoundUser[] = []
  for (let step = 0; step < MAX_STEPS && words.length > 0; step++) {
    const offset = step * USERS_PER_STEP
    const rows = await database.run(
      SELECT_USERS,
      patterns,
      wanted,
      `${likeText(wanted)}%`,
      `${id}%`,
      offset,
      USERS_PER_STEP,
    )
    const visible = await roomserver.visibleUsers(
      viewer,
      rows.map((row) => row.user_id),
    )
    for (const row of rows) {
      const inRoom = visible.get(row.user_id)
      if (inRoom === undefined || ignored.has(row.user_id)) continue
      if (users.length === limit) return { users, limited: true }
      users.push({
        userId: row.user_id,
        // What others are called is known only from rooms; the one they were seen in last may be a private one.
        displayName: userapi.isLocal(row.user_id) ? (row.display_name ?? undefined) : inRoom.displayName,
        avatarUrl: userapi.isLocal(row.user_id) ? (row.avatar_url ?? undefined) : inRoom.avatarUrl,
      })
    }
    if (rows.length < USERS_PER_STEP) break
  }
  return { users, limited: false }
}

function likeText(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
