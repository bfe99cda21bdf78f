import type { EventId, RoomId, UserId } from '../../protocol/ids.js'

export type SearchKey = 'content.body' | 'content.name' | 'content.topic'

export interface MessageQuery {
  readonly term: string
  readonly roomIds: readonly RoomId[]
  readonly keys: readonly SearchKey[]
  /** Absent: anybody's. */
  readonly senders?: readonly string[] | undefined
  readonly notSenders: readonly string[]
  readonly order: 'rank' | 'recent'
  readonly offset: number
  readonly limit: number
}

export interface MessageMatch {
  readonly eventId: EventId
  /** Higher is closer. */
  readonly rank: number
}

export interface FoundUser {
  readonly userId: UserId
  readonly displayName: string | undefined
  readonly avatarUrl: string | undefined
}

export interface Search {
  /** False: the operator has switched the search of messages off. */
  readonly searchesMessages: boolean
  /** Who may see what is found is for the caller to ask. `count` is that of all matches before that, at most 10,000. */
  messages(query: MessageQuery): Promise<{ matches: MessageMatch[]; count: number }>
  /** Words of a term as they are looked for, for highlighting. */
  words(term: string): string[]
  /** Users whom the viewer may know of, the closest first. `limited`: there are more. */
  users(query: {
    readonly term: string
    readonly viewer: UserId
    readonly limit: number
  }): Promise<{ users: FoundUser[]; limited: boolean }>
  start(): Promise<void>
  stop(): Promise<void>
}
