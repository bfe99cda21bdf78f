import type { EventId, RoomId, UserId } from '../../protocol/ids.js'
import type { JsonObject, JsonValue } from '../../protocol/json.js'
import type { OutputReader } from '../roomserver/index.js'

export interface UnreadCounts {
  readonly notifications: number
  readonly highlights: number
}

export interface RoomUnreadCounts {
  /** Of the main timeline and of every thread together. */
  readonly all: UnreadCounts
  readonly main: UnreadCounts
  /** By thread root, those that are not zero. */
  readonly threads: ReadonlyMap<EventId, UnreadCounts>
}

/** Where a new rule goes: right above or right below another one of its kind. */
export interface PushRulePlace {
  readonly before?: string
  readonly after?: string
}

export interface PushRuleStore {
  /** The whole rule set as `GET /pushrules/` shows it: `{ global: {...} }`. */
  pushRules(userId: UserId): Promise<JsonObject>
  /** The same when it changed in (after, upTo], for `m.push_rules` in `/sync`. One statement. */
  pushRulesBetween(userId: UserId, after: number, upTo: number): Promise<JsonObject | undefined>
  /** One rule. @throws M_NOT_FOUND */
  pushRule(userId: UserId, kind: string, ruleId: string): Promise<JsonObject>
  /** @throws M_NOT_FOUND, M_INVALID_PARAM, M_TOO_LARGE (10,000 rules, id 300 B, body 1,024 B) */
  putPushRule(userId: UserId, kind: string, ruleId: string, rule: JsonObject, place?: PushRulePlace): Promise<void>
  deletePushRule(userId: UserId, kind: string, ruleId: string): Promise<void>
  setPushRuleEnabled(userId: UserId, kind: string, ruleId: string, enabled: boolean): Promise<void>
  setPushRuleActions(userId: UserId, kind: string, ruleId: string, actions: JsonValue | undefined): Promise<void>
}

export interface PushServer extends PushRuleStore {
  /** Counts for every event; handled before the event becomes visible. To be given to `roomserver.readBeforeVisible`. */
  readonly reader: OutputReader
  /** Unread counts of the user in these rooms as they stand. One statement; none when warm. */
  unreadCounts(userId: UserId, roomIds: readonly RoomId[]): Promise<Map<RoomId, RoomUnreadCounts>>
  /** A receipt of the user moved: counts up to it are dropped. `threadId`: main, a root, or undefined for all. */
  markRead(userId: UserId, roomId: RoomId, upTo: number, threadId: string | undefined): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** Streams of the change feed that this component writes. */
export const PUSH_STREAMS = {
  /** Keyed by user id + NUL + room id: unread counts changed other than by an event in the room. */
  unreadCounts: 'unread_counts',
  /** Keyed by user id: their push rules changed, which clients are shown as account data `m.push_rules`. */
  pushRules: 'push_rules',
} as const
