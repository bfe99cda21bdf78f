import type { DeviceId, EventId, RoomId, UserId } from '../../protocol/ids.js'
import type { JsonObject, JsonValue } from '../../protocol/json.js'
import type { OutputReader, RoomEvent } from '../roomserver/index.js'

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

/** What a client sets: kind `http`, the only one there is. Checked by the route. */
export interface NewPusher {
  readonly appId: string
  readonly pushkey: string
  readonly appDisplayName: string
  readonly deviceDisplayName: string
  readonly lang: string
  readonly profileTag: string | undefined
  /** With `url`, that of the gateway; everything else in it is passed on to the gateway. */
  readonly data: JsonObject
  /** Other users' pushers of the same app and key stay. */
  readonly append: boolean
  /** Undefined: as it was; a new one is enabled. */
  readonly enabled: boolean | undefined
  /** Of the login that asks for it. */
  readonly deviceId: DeviceId
}

export interface Pusher {
  readonly appId: string
  readonly pushkey: string
  /** Of the login that made it, with which it ends. */
  readonly deviceId: DeviceId
  readonly enabled: boolean
  /** `app_display_name`, `device_display_name`, `lang`, `profile_tag`, as they were set. */
  readonly shown: JsonObject
  readonly data: JsonObject
}

export interface PusherStore {
  pushers(userId: UserId): Promise<Pusher[]>
  /** Makes the pusher of this app and key, or changes it. @throws M_TOO_LARGE (100 pushers) */
  setPusher(userId: UserId, pusher: NewPusher): Promise<void>
  /** Nothing happens when there is none. */
  deletePusher(userId: UserId, appId: string, pushkey: string): Promise<void>
}

export interface Notification {
  readonly event: RoomEvent
  readonly roomId: RoomId
  /** When it was found that the user is to be told, in ms. */
  readonly ts: number
  readonly actions: readonly JsonValue[]
}

export interface NotificationPage {
  readonly notifications: readonly Notification[]
  /** `before` of the next page; undefined: there is none. */
  readonly next: number | undefined
}

export interface NotificationStore {
  /** What the user has been told of and has not read, the newest first. */
  notifications(request: {
    readonly userId: UserId
    readonly before: number | undefined
    readonly onlyHighlights: boolean
    readonly limit: number
  }): Promise<NotificationPage>
}

export interface PushServer extends PushRuleStore, PusherStore, NotificationStore {
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
