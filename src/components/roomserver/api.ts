import type { MemberProfile } from '../../protocol/event/content.js'
import type { Pdu } from '../../protocol/event/pdu.js'
import type { EventId, RoomAlias, RoomId, ServerName, UserId } from '../../protocol/ids.js'
import type { JsonObject } from '../../protocol/json.js'

export type Membership = 'join' | 'invite' | 'knock' | 'leave' | 'ban'

/** A change somebody wants to make to a room: not yet an event. */
export interface EventDraft {
  readonly roomId: RoomId
  readonly sender: UserId
  readonly type: string
  readonly stateKey?: string
  readonly content: JsonObject
  /** For m.room.redaction: put where the room version keeps it. */
  readonly redacts?: EventId
  /** Application services may say when it happened, in ms. */
  readonly originServerTs?: number
  /** Shown back to the sending device; with `path` the key under which a repeated request finds its event. */
  readonly transaction?: ClientTransaction
  /** Do nothing when the state already has exactly this content; the event that holds it is answered. */
  readonly unlessUnchanged?: boolean
}

/** A transaction id is scoped to user, device and path (the path template, without the transaction id itself). */
export interface ClientTransaction {
  readonly userId: UserId
  readonly deviceId: string
  readonly path: string
  readonly txnId: string
}

export interface SentEvent {
  readonly eventId: EventId
  /** Of the event on the clock. */
  readonly position: number
}

/** An event as a client may be given it. JSON text is composed by `present`; nothing here is parsed before it is asked for. */
export interface RoomEvent {
  readonly nid: number
  readonly eventId: EventId
  readonly roomId: RoomId
  readonly type: string
  readonly stateKey: string | undefined
  readonly sender: UserId
  readonly depth: number
  /** Arrival order on the clock; negative: backfilled; undefined: an outlier or soft-failed event. */
  readonly position: number | undefined
  readonly originServerTs: number
  /** Content after redaction. Parsed at first use. */
  readonly content: JsonObject
  readonly pdu: Pdu
  /** State before it; undefined for an outlier. */
  readonly snapshotId: number | undefined
  readonly threadRoot: EventId | undefined
  readonly redactedBy: EventId | undefined
}

/** Who looks at events: decides on `unsigned.transaction_id`, `unsigned.membership`, and what is left out. */
export interface Viewer {
  readonly userId: UserId
  readonly deviceId?: string
}

export interface StateChange {
  readonly type: string
  readonly stateKey: string
  /** Undefined: the key is gone. */
  readonly event: RoomEvent | undefined
  readonly replaced: EventId | undefined
}

export interface MembershipChange {
  readonly userId: UserId
  readonly membership: Membership
  readonly previous: Membership | undefined
  readonly isLocal: boolean
}

/** One entry of the output log, as it is handed to readers in memory after commit, in order. */
export interface OutputEntry {
  readonly position: number
  readonly roomId: RoomId
  /** Undefined: the state changed without a timeline event. */
  readonly event: RoomEvent | undefined
  readonly stateChanges: readonly StateChange[]
  readonly memberships: readonly MembershipChange[]
  /** The event that this one redacts, when the redaction was applied. */
  readonly redacted: EventId | undefined
}

/** Reads the log. A reader that throws is tried again; an entry that keeps failing is parked with a log line. */
export interface OutputReader {
  readonly name: string
  read(entries: readonly OutputEntry[]): Promise<void>
}

export interface RoomSummary {
  readonly roomId: RoomId
  readonly joinedMembers: number
  readonly invitedMembers: number
  /** Up to five other members by join order, as `m.heroes` wants them: joined and invited, else left and banned. */
  readonly heroes: readonly UserId[]
}

/** A user's relation to a room. */
export interface RoomMembership {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: Membership
  readonly sender: UserId
  readonly eventId: EventId
  /** When it began, on the clock. */
  readonly position: number
  readonly forgotten: boolean
  readonly displayName: string | undefined
  readonly avatarUrl: string | undefined
  /** Stripped state of an invite or knock: JSON text of an array of stripped events. */
  readonly strippedState: string | undefined
}

export interface RoomInfo {
  readonly roomId: RoomId
  readonly nid: number
  readonly version: string
  /** False: known (an invite, a room left) but this server takes no part in it. */
  readonly participating: boolean
}

export interface NewRoom {
  readonly creator: UserId
  readonly version: string
  /** Content of m.room.create without `creator` and `room_version`, which are put in. */
  readonly creationContent: JsonObject
  /** Everything after the create event, in order, each chained on the one before; the creator's join comes first. */
  readonly events: readonly Omit<EventDraft, 'roomId'>[]
  readonly transaction?: ClientTransaction
}

/** A page of the timeline of one room, in the order asked for. */
export interface TimelinePage {
  readonly events: readonly RoomEvent[]
  /** There is more between the last event of the page and the bound (`/sync`: a gap). */
  readonly limited: boolean
  /** Token position just beyond the last event; undefined at the true end. */
  readonly end: TopologicalToken | undefined
}

/** `t<depth>_<position>`: a place in the topological order. `/messages` also takes `s<position>` of `/sync`. */
export interface TopologicalToken {
  readonly depth: number
  readonly position: number
}

/** Content filters of RoomEventFilter that can be applied while reading. Globs in `types` are `*` only. */
export interface EventFilter {
  readonly types?: readonly string[]
  readonly notTypes?: readonly string[]
  readonly senders?: readonly string[]
  readonly notSenders?: readonly string[]
  readonly containsUrl?: boolean
  readonly relatedByRelTypes?: readonly string[]
  readonly relatedBySenders?: readonly string[]
}

export interface PublicRoom {
  readonly roomId: RoomId
  readonly name: string | undefined
  readonly topic: string | undefined
  readonly canonicalAlias: string | undefined
  readonly avatarUrl: string | undefined
  readonly joinRule: string
  readonly roomType: string | undefined
  readonly worldReadable: boolean
  readonly guestCanJoin: boolean
  readonly joinedMembers: number
  readonly roomVersion: string
  readonly encryption: string | undefined
}

/** Writing: drafts become events here, one door. All of it goes through the group-commit writer. */
export interface RoomWriter {
  /**
   * Builds, authorises, signs and stores one event. Answers once it is durable.
   * @throws MatrixError M_FORBIDDEN (auth rules), M_NOT_FOUND (room unknown here), M_TOO_LARGE, M_BAD_JSON
   */
  send(draft: EventDraft): Promise<SentEvent>
  /** The same for several at once, in as many rooms as they name: one batch. Each succeeds or fails by itself. */
  sendAll(drafts: readonly EventDraft[]): Promise<PromiseSettledResult<SentEvent>[]>
  /** A whole new room in one transaction: it is there with all its events, or not at all. */
  createRoom(room: NewRoom): Promise<{ roomId: RoomId; events: readonly SentEvent[] }>
  /** The event a repeated request has already made, if any. One statement, none when the id is known in memory. */
  findTransaction(transaction: ClientTransaction): Promise<EventId | undefined>
  /** The user no longer sees the room in their lists. @throws M_UNKNOWN when still joined or invited */
  forget(roomId: RoomId, userId: UserId): Promise<void>
}

/** Current facts. Everything takes arrays where `/sync` needs it for many rooms at once; none costs a statement per room. */
export interface RoomState {
  room(roomId: RoomId): Promise<RoomInfo | undefined>
  /** One event of the current state. */
  stateEvent(roomId: RoomId, type: string, stateKey: string): Promise<RoomEvent | undefined>
  /** Current state of many rooms; `tuples` narrows it (a pair with undefined key: all keys of that type). */
  currentState(
    roomIds: readonly RoomId[],
    tuples?: readonly (readonly [type: string, stateKey: string | undefined])[],
  ): Promise<Map<RoomId, RoomEvent[]>>
  /** The room state as it stood for readers at a position of the clock (after everything up to and including it). */
  stateAtPosition(
    at: readonly { readonly roomId: RoomId; readonly position: number }[],
    tuples?: readonly (readonly [type: string, stateKey: string | undefined])[],
    /** Of m.room.member only these users' events, by room: lazy loading. Members of rooms that are not named all come. */
    membersOf?: ReadonlyMap<RoomId, ReadonlySet<UserId>>,
  ): Promise<Map<RoomId, RoomEvent[]>>
  /** Newest change of each state key in (after, upTo]: keys that ended as they began are still listed. */
  stateDelta(
    ranges: readonly { readonly roomId: RoomId; readonly after: number; readonly upTo: number }[],
  ): Promise<Map<RoomId, StateChange[]>>
  /** State before or after an event, by its snapshot. */
  stateAroundEvent(event: RoomEvent, side: 'before' | 'after'): Promise<RoomEvent[]>
  memberships(userId: UserId): Promise<ReadonlyMap<RoomId, RoomMembership>>
  membership(roomId: RoomId, userId: UserId): Promise<RoomMembership | undefined>
  /** Members of rooms, all memberships or those named. */
  members(roomIds: readonly RoomId[], memberships?: readonly Membership[]): Promise<Map<RoomId, RoomMembership[]>>
  summaries(roomIds: readonly RoomId[], viewer: UserId): Promise<Map<RoomId, RoomSummary>>
  /** Users who are joined to a room together with this one, themselves included. */
  usersSharingRoomWith(userId: UserId, options?: { onlyEncrypted?: boolean }): Promise<Set<UserId>>
  /** Of `others`, those who are joined to a room together with the user. */
  sharesRoomWith(userId: UserId, others: readonly UserId[], options?: { onlyEncrypted?: boolean }): Promise<Set<UserId>>
  /**
   * Of `userIds`, those whom the viewer may know of: who shares a room with them, and members of rooms that anybody may join
   * or read. With how they are shown in such a room. One statement.
   */
  visibleUsers(viewer: UserId, userIds: readonly UserId[]): Promise<Map<UserId, MemberProfile>>
  localJoinedMembers(roomId: RoomId): Promise<readonly UserId[]>
  joinedServers(roomId: RoomId): Promise<ReadonlySet<ServerName>>
  /** Effective power of a user, Infinity for a creator of version 12. */
  powerLevel(roomId: RoomId, userId: UserId): Promise<number>
}

/** History. "May this user see this event" is judged here and nowhere else. */
export interface RoomHistory {
  event(eventId: EventId): Promise<RoomEvent | undefined>
  events(eventIds: readonly EventId[]): Promise<Map<EventId, RoomEvent>>
  /** The events among these that the user may see, in the same order (history visibility at each event). */
  visibleTo(userId: UserId, events: readonly RoomEvent[]): Promise<RoomEvent[]>
  /** May the user look into the room at all (member, former member, world readable)? */
  mayPeek(userId: UserId, roomId: RoomId): Promise<boolean>
  /**
   * The newest `limit` events of each room in (after, upTo], in stream order, oldest first, with whether more lie between.
   * `end` is the place just before the first of them (`prev_batch`); undefined when nothing can be before it. An empty
   * page has none either, or the place where a filter that found nothing stopped looking. At most three statements
   * however many rooms. Visibility is not judged here.
   */
  newest(
    ranges: readonly {
      readonly roomId: RoomId
      readonly after: number
      readonly upTo: number
      readonly limit: number
    }[],
    filter?: EventFilter,
  ): Promise<Map<RoomId, TimelinePage>>
  /** Rooms among these with timeline events in (after, upTo], for what the change feed no longer knows. */
  roomsChangedSince(roomIds: readonly RoomId[], after: number): Promise<RoomId[]>
  /** A page in topological order, from a token; for `/messages` and `/context`. */
  page(request: {
    readonly roomId: RoomId
    readonly from: TopologicalToken | 'start' | 'end'
    readonly to?: TopologicalToken
    readonly direction: 'b' | 'f'
    readonly limit: number
    readonly filter?: EventFilter
    readonly viewer: UserId
  }): Promise<TimelinePage>
  /** The place of a `/sync` position in the topological order of a room. */
  topologicalToken(roomId: RoomId, position: number): Promise<TopologicalToken>
  /**
   * Client-format JSON texts, in the same order, with `unsigned` composed for this viewer (age, transaction id,
   * membership, previous content, redacted_because, bundled aggregations). `withoutRoomId` for `/sync`.
   */
  present(
    events: readonly RoomEvent[],
    viewer: Viewer,
    options?: { withoutRoomId?: boolean; now?: number },
  ): Promise<string[]>
}

/** A page of the threads of a room. */
export interface ThreadPage {
  /** Roots, those first whose thread was written in last. */
  readonly roots: readonly RoomEvent[]
  /** `before` of the next page; undefined: there is none. */
  readonly next: number | undefined
}

/** Events by what they relate to, and by time. What the viewer may not see is left out, as in `page`. */
export interface RoomRelations {
  /** Events that relate to one, in topological order from a place. `end` is undefined when there are no more. */
  relations(request: {
    readonly roomId: RoomId
    readonly eventId: EventId
    readonly relType?: string | undefined
    readonly eventType?: string | undefined
    readonly from?: TopologicalToken | undefined
    readonly to?: TopologicalToken | undefined
    readonly direction: 'b' | 'f'
    readonly limit: number
    /** Those that relate to what relates to it as well, up to three relations away. */
    readonly recurse: boolean
    readonly viewer: UserId
    /** Their messages are left out (ignored users); their state is not. */
    readonly notSenders: readonly UserId[]
  }): Promise<TimelinePage>
  /** Threads, by their newest event up to and including the position `before`. */
  threads(request: {
    readonly roomId: RoomId
    readonly before: number
    readonly limit: number
    /** Only those whose root the viewer sent, or in which they have spoken. */
    readonly participatedOnly: boolean
    readonly viewer: UserId
    readonly notSenders: readonly UserId[]
  }): Promise<ThreadPage>
  /** The event nearest to a time in ms that is not before it (`f`) or not after it (`b`). */
  eventNearTime(request: {
    readonly roomId: RoomId
    readonly ts: number
    readonly direction: 'b' | 'f'
    readonly viewer: UserId
  }): Promise<RoomEvent | undefined>
}

export interface RoomDirectory {
  /** @throws M_UNKNOWN 409 when the alias exists */
  createAlias(alias: RoomAlias, roomId: RoomId, creator: UserId): Promise<void>
  removeAlias(alias: RoomAlias): Promise<void>
  alias(alias: RoomAlias): Promise<{ roomId: RoomId; creator: UserId } | undefined>
  aliasesOf(roomId: RoomId): Promise<RoomAlias[]>
  setPublished(roomId: RoomId, published: boolean): Promise<void>
  isPublished(roomId: RoomId): Promise<boolean>
  /** Published rooms, biggest first, with what the directory shows of them; `search` is case-insensitive. */
  publicRooms(request: {
    readonly search?: string
    readonly roomTypes?: readonly (string | null)[]
    readonly limit: number
    readonly since?: string
  }): Promise<{ rooms: PublicRoom[]; total: number; next?: string; prev?: string }>
  /** What the directory would show of these rooms, published or not, that this server takes part in. Two statements. */
  describeRooms(roomIds: readonly RoomId[]): Promise<Map<RoomId, PublicRoom>>
}

export interface NewReport {
  readonly reporter: UserId
  /** Undefined: a user is reported. */
  readonly roomId: RoomId | undefined
  /** Undefined: the room is reported, or a user. */
  readonly eventId: EventId | undefined
  /** Who sent the event, or who is reported. */
  readonly reportedUser: UserId | undefined
  readonly reason: string
  /** -100 (most offensive) to 0. */
  readonly score: number
}

export interface Report extends NewReport {
  readonly id: number
  readonly receivedTs: number
}

/** What users have reported to the people who run the server. */
export interface Reports {
  addReport(report: NewReport): Promise<void>
  /** `b`: newest first. `total` counts all that the conditions let through. */
  reports(request: {
    readonly offset: number
    readonly limit: number
    readonly direction: 'b' | 'f'
    readonly reporter?: string | undefined
    readonly roomId?: string | undefined
  }): Promise<{ reports: Report[]; total: number }>
  report(id: number): Promise<Report | undefined>
  /** False: there is none. */
  deleteReport(id: number): Promise<boolean>
}

export interface RoomServer extends RoomWriter, RoomState, RoomHistory, RoomRelations, RoomDirectory, Reports {
  /**
   * Handles every entry before its position becomes visible, so that what it writes (unread counts) is in the same
   * `/sync` answer. At most one reader of this kind.
   */
  readBeforeVisible(reader: OutputReader): void
  /** Handles entries in order after they are visible, from memory; `since` replays the log from a stored cursor. */
  readLog(reader: OutputReader, since?: number): void
  /** Entries of the log after a position, for readers that start or have fallen behind. */
  logAfter(position: number, limit: number): Promise<OutputEntry[]>
  start(): Promise<void>
  stop(): Promise<void>
}

/** Streams of the change feed that this component writes. */
export const ROOM_STREAMS = {
  /** Keyed by room id: the timeline or the state changed. */
  rooms: 'rooms',
  /** Keyed by user id, local users only: a membership of theirs changed, or was forgotten. */
  memberships: 'memberships',
} as const
