import { LoadingCache } from '../../../platform/loading-cache.js'
import type { RoomAlias, RoomId, UserId } from '../../../protocol/ids.js'
import { getObject, isJsonObject, type JsonObject, parseStoredJson } from '../../../protocol/json.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { PublicRoom, RoomDirectory } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { SELECT_DIRECTORY_STATE } from '../store/current-state-reads.js'
import {
  DELETE_PUBLISHED,
  INSERT_PUBLISHED,
  type PublishedRow,
  SELECT_IS_PUBLISHED,
  SELECT_LISTABLE,
  SELECT_PUBLISHED,
} from '../store/published-rooms.js'
import { DELETE_ALIAS, INSERT_ALIAS, SELECT_ALIAS, SELECT_ALIASES_OF_ROOM } from '../store/room-aliases.js'
import { DIRECTORY_TYPES, type DirectoryEntry, directoryEntryOf, entryMatches } from './directory-entry.js'
import { type DirectoryToken, readDirectoryToken, writeDirectoryToken } from './directory-token.js'

/** Rooms whose state is read with one statement: a search may go through the whole directory. */
const ROOMS_PER_STATEMENT = 500

type PublicRoomsRequest = Parameters<RoomDirectory['publicRooms']>[0]

const TYPES: ReadonlySet<string> = new Set(DIRECTORY_TYPES)

/** Names of rooms, and which rooms everybody is told of. */
export class Directory implements RoomDirectory {
  readonly #internals: RoomInternals
  readonly #entries: LoadingCache<RoomId, DirectoryEntry>

  constructor(internals: RoomInternals) {
    this.#internals = internals
    this.#entries = new LoadingCache<RoomId, DirectoryEntry>(
      internals.cacheBudget.cache('roomserver.directory', sizeOf),
      (roomIds) => this.#loadEntries(roomIds),
    )
    internals.onCommitted((entries) => {
      for (const { roomId, stateChanges } of entries) {
        if (stateChanges.some(({ type, stateKey }) => stateKey === '' && TYPES.has(type))) this.#entries.drop(roomId)
      }
    })
  }

  async createAlias(alias: RoomAlias, roomId: RoomId, creator: UserId): Promise<void> {
    const now = this.#internals.time.now()
    const [inserted] = await this.#internals.database.run(INSERT_ALIAS, alias, roomId, creator, now)
    if (inserted === undefined)
      throw new MatrixError('M_UNKNOWN', `Room alias ${alias} already exists`, { status: 409 })
  }

  async removeAlias(alias: RoomAlias): Promise<void> {
    await this.#internals.database.run(DELETE_ALIAS, alias)
  }

  async alias(alias: RoomAlias): Promise<{ roomId: RoomId; creator: UserId } | undefined> {
    const [row] = await this.#internals.database.run(SELECT_ALIAS, alias)
    return row && { roomId: row.room_id, creator: row.creator }
  }

  async aliasesOf(roomId: RoomId): Promise<RoomAlias[]> {
    return (await this.#internals.database.run(SELECT_ALIASES_OF_ROOM, roomId)).map((row) => row.alias)
  }

  async setPublished(roomId: RoomId, published: boolean): Promise<void> {
    await this.#internals.database.run(published ? INSERT_PUBLISHED : DELETE_PUBLISHED, roomId)
  }

  async isPublished(roomId: RoomId): Promise<boolean> {
    const [row] = await this.#internals.database.run(SELECT_IS_PUBLISHED, roomId)
    return row?.published === true
  }

  async publicRooms(
    request: PublicRoomsRequest,
  ): Promise<{ rooms: PublicRoom[]; total: number; next?: string; prev?: string }> {
    const since = request.since === undefined ? undefined : readDirectoryToken(request.since)
    const listed = await this.#listed(request)
    const [from, to] = stretchOf(listed, since, request.limit)
    const page = listed.slice(from, to)
    const entries = await this.#entriesOf(page)
    const first = page[0]
    const last = page.at(-1)
    return {
      rooms: page.flatMap((row) => publicRoomOf(row, entries.get(row.room_id)) ?? []),
      total: listed.length,
      ...(last !== undefined && to < listed.length && { next: tokenAt(last, 'after') }),
      ...(first !== undefined && from > 0 && { prev: tokenAt(first, 'before') }),
    }
  }

  async describeRooms(roomIds: readonly RoomId[]): Promise<Map<RoomId, PublicRoom>> {
    if (roomIds.length === 0) return new Map()
    const rows = await this.#internals.database.run(SELECT_LISTABLE, [...new Set(roomIds)])
    const entries = await this.#entriesOf(rows)
    const described = new Map<RoomId, PublicRoom>()
    for (const row of rows) {
      const room = publicRoomOf(row, entries.get(row.room_id))
      if (room !== undefined) described.set(row.room_id, room)
    }
    return described
  }

  /** Everything that the request asks for, in order. */
  async #listed({ search, roomTypes }: PublicRoomsRequest): Promise<PublishedRow[]> {
    const rows = await this.#internals.database.run(SELECT_PUBLISHED)
    const term = search?.toLowerCase() ?? ''
    if (term === '' && roomTypes === undefined) return rows
    const entries = await this.#entriesOf(rows)
    return rows.filter((row) => {
      const entry = entries.get(row.room_id)
      if (entry === undefined) return false
      return entryMatches(entry, term) && roomTypes?.includes(entry.roomType ?? null) !== false
    })
  }

  async #entriesOf(rows: readonly PublishedRow[]): Promise<Map<RoomId, DirectoryEntry>> {
    const entries = new Map<RoomId, DirectoryEntry>()
    for (let start = 0; start < rows.length; start += ROOMS_PER_STATEMENT) {
      const roomIds = rows.slice(start, start + ROOMS_PER_STATEMENT).map((row) => row.room_id)
      for (const [roomId, entry] of await this.#entries.getMany(roomIds)) entries.set(roomId, entry)
    }
    return entries
  }

  async #loadEntries(roomIds: readonly RoomId[]): Promise<Map<RoomId, DirectoryEntry>> {
    const states = new Map<RoomId, Map<string, JsonObject>>(roomIds.map((roomId) => [roomId, new Map()]))
    for (const row of await this.#internals.database.run(SELECT_DIRECTORY_STATE, roomIds, [...DIRECTORY_TYPES])) {
      const event = parseStoredJson(row.json)
      const content = isJsonObject(event) ? getObject(event, 'content') : undefined
      if (content !== undefined) states.get(row.room_id)?.set(row.type, content)
    }
    return new Map(Array.from(states, ([roomId, state]) => [roomId, directoryEntryOf(state)]))
  }
}

/** Indices of the first room of the page and of the one after its last. */
function stretchOf(rows: readonly PublishedRow[], since: DirectoryToken | undefined, limit: number): [number, number] {
  if (since === undefined) return [0, Math.min(limit, rows.length)]
  const wanted = since.direction === 'after' ? 1 : 0
  const found = rows.findIndex((row) => compare(row, since) >= wanted)
  const place = found === -1 ? rows.length : found
  if (since.direction === 'after') return [place, Math.min(place + limit, rows.length)]
  return [Math.max(place - limit, 0), place]
}

/** Biggest first, then by room id: as the rows are ordered. */
function compare(row: PublishedRow, place: DirectoryToken): number {
  if (row.joined_members !== place.joinedMembers) return place.joinedMembers - row.joined_members
  if (row.room_id === place.roomId) return 0
  return row.room_id < place.roomId ? -1 : 1
}

function tokenAt({ joined_members, room_id }: PublishedRow, direction: DirectoryToken['direction']): string {
  return writeDirectoryToken({ direction, joinedMembers: joined_members, roomId: room_id })
}

function publicRoomOf(row: PublishedRow, entry: DirectoryEntry | undefined): PublicRoom | undefined {
  if (entry === undefined) return undefined
  return { ...entry, roomId: row.room_id, joinedMembers: row.joined_members, roomVersion: row.room_version }
}

function sizeOf({ name, topic, canonicalAlias, avatarUrl }: DirectoryEntry): number {
  const texts = [name, topic, canonicalAlias, avatarUrl]
  return 300 + 2 * texts.reduce((length, text) => length + (text?.length ?? 0), 0)
}
