import type { Database } from '../../platform/database.js'
import { memberProfileIn, membershipIn, roomNameIn, topicIn } from '../../protocol/event/content.js'
import { parseUserId, type UserId } from '../../protocol/ids.js'
import { getString, type JsonObject } from '../../protocol/json.js'
import type { OutputEntry, RoomEvent } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import type { SearchKey } from './api.js'
import { folded, plain } from './folding.js'
import { SET_CURSOR } from './store/cursor.js'
import { INDEX_BATCH } from './store/messages.js'
import { UPSERT_USERS } from './store/users.js'

export interface IndexerDeps {
  readonly database: Database
  readonly userapi: Pick<UserApi, 'isLocal' | 'profiles'>
  readonly configuration: string
  readonly searchesMessages: boolean
}

export const KEY_CODES: Readonly<Record<SearchKey, number>> = {
  'content.body': 0,
  'content.name': 1,
  'content.topic': 2,
}

/** Characters of a text that are indexed: an event holds no more words that anybody would look for. */
const MAX_TEXT = 32_768

interface IndexedText {
  readonly event: RoomEvent
  readonly position: number
  readonly key: SearchKey
  readonly text: string
}

/**
 * Puts batches of the room log into the index. One statement for what is said, where something is; two more where members came
 * or changed what they are called. Reading a batch again changes nothing.
 */
export class Indexer {
  readonly #deps: IndexerDeps
  /** The last entry that has been read, and the last that is stored as the cursor. */
  #read = 0
  #stored = 0

  constructor(deps: IndexerDeps) {
    this.#deps = deps
  }

  /** Where reading goes on. */
  startAt(position: number): void {
    this.#read = position
    this.#stored = position
  }

  async index(entries: readonly OutputEntry[]): Promise<void> {
    const last = entries.at(-1)
    if (last === undefined) return
    await this.#indexUsers(entries)
    if (this.#deps.searchesMessages) await this.#indexTexts(entries, last.position)
    this.#read = last.position
  }

  /** Batches that concerned nobody have not moved the cursor; the next start need not look at them again. */
  async finish(): Promise<void> {
    if (this.#read === this.#stored) return
    await this.#deps.database.run(SET_CURSOR, this.#read, this.#deps.configuration)
    this.#stored = this.#read
  }

  async #indexTexts(entries: readonly OutputEntry[], cursor: number): Promise<void> {
    const redacted = new Set(entries.flatMap((entry) => entry.redacted ?? []))
    const texts = entries.flatMap((entry) => textOf(entry) ?? []).filter(({ event }) => !redacted.has(event.eventId))
    if (texts.length === 0 && redacted.size === 0) return
    await this.#deps.database.run(
      INDEX_BATCH,
      [...redacted],
      cursor,
      this.#deps.configuration,
      texts.map(({ event }) => event.eventId),
      texts.map(({ event }) => event.roomId),
      texts.map(({ position }) => position),
      texts.map(({ event }) => event.sender),
      texts.map(({ key }) => KEY_CODES[key]),
      texts.map(({ text }) => text),
    )
    this.#stored = cursor
  }

  /** Users of this server are found under their profile, not under what they are called in one room. */
  async #indexUsers(entries: readonly OutputEntry[]): Promise<void> {
    const seen = new Map<UserId, JsonObject>()
    for (const { stateChanges } of entries) {
      for (const { type, stateKey, event } of stateChanges) {
        const userId = type === 'm.room.member' ? parseUserId(stateKey) : undefined
        if (userId !== undefined && event !== undefined && membershipIn(event.content) === 'join') {
          seen.set(userId, event.content)
        }
      }
    }
    if (seen.size === 0) return
    const { userapi, database } = this.#deps
    const local = [...seen.keys()].filter((userId) => userapi.isLocal(userId))
    const profiles = local.length === 0 ? new Map<UserId, JsonObject>() : await userapi.profiles(local)
    const users = Array.from(seen, ([userId, content]) => {
      const { displayName, avatarUrl } = memberProfileIn(
        userapi.isLocal(userId) ? (profiles.get(userId) ?? {}) : content,
      )
      return { userId, displayName, avatarUrl, foldedName: folded(displayName ?? '') }
    })
    await database.run(
      UPSERT_USERS,
      users.map(({ userId }) => userId),
      users.map(({ displayName }) => displayName ?? null),
      users.map(({ avatarUrl }) => avatarUrl ?? null),
      users.map(({ foldedName }) => foldedName),
      users.map(({ foldedName, userId }) => `${foldedName} ${folded(userId)}`),
    )
  }
}

function textOf({ event, position }: OutputEntry): IndexedText | undefined {
  if (event === undefined || event.redactedBy !== undefined) return undefined
  const found = searchableText(event)
  if (found === undefined) return undefined
  return { event, position, key: found.key, text: plain(found.text.slice(0, MAX_TEXT)) }
}

/** CS "Server Side Search": bodies of messages, names and topics of rooms. */
function searchableText({ type, stateKey, content }: RoomEvent): { key: SearchKey; text: string } | undefined {
  const given = (key: SearchKey, text: string | undefined) => (text === undefined ? undefined : { key, text })
  if (type === 'm.room.message' && stateKey === undefined) return given('content.body', getString(content, 'body'))
  if (stateKey !== '') return undefined
  if (type === 'm.room.name') return given('content.name', roomNameIn(content))
  return type === 'm.room.topic' ? given('content.topic', topicIn(content)) : undefined
}
