import {
  type EventId,
  parseEventId,
  parseRoomAlias,
  parseRoomId,
  parseUserId,
  type RoomAlias,
  type RoomId,
  type UserId,
} from '../ids.js'
import { getArray, getBoolean, getObject, getString, getValue, isJsonObject, type JsonObject } from '../json.js'

/**
 * Lenient readers of event content: what other servers and clients wrote is anything. A value of the wrong type is as
 * good as absent; nothing here throws. Power levels and creators are read by `protocol/auth`, whose rules they are.
 */

export type Membership = 'join' | 'invite' | 'knock' | 'leave' | 'ban'
export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined'
export type GuestAccess = 'can_join' | 'forbidden'

const MEMBERSHIPS: ReadonlySet<string> = new Set<Membership>(['join', 'invite', 'knock', 'leave', 'ban'])
const VISIBILITIES: ReadonlySet<string> = new Set<HistoryVisibility>(['world_readable', 'shared', 'invited', 'joined'])

function isMembership(value: string | undefined): value is Membership {
  return value !== undefined && MEMBERSHIPS.has(value)
}

function isVisibility(value: string | undefined): value is HistoryVisibility {
  return value !== undefined && VISIBILITIES.has(value)
}

/** Membership of an `m.room.member`; undefined for one that the specification does not know. */
export function membershipIn(content: JsonObject): Membership | undefined {
  const membership = getString(content, 'membership')
  return isMembership(membership) ? membership : undefined
}

/** What members are shown as. Empty names count as none. */
export interface MemberProfile {
  readonly displayName: string | undefined
  readonly avatarUrl: string | undefined
}

export function memberProfileIn(content: JsonObject): MemberProfile {
  return { displayName: nonEmpty(content, 'displayname'), avatarUrl: nonEmpty(content, 'avatar_url') }
}

/** `join_rule`, whatever it is; a room without the event is `invite`. */
export function joinRuleIn(content: JsonObject | undefined): string {
  return (content && getString(content, 'join_rule')) ?? 'invite'
}

/** Rooms whose members may join a restricted room (`allow` of `m.room.join_rules`). Other kinds of condition are skipped. */
export function allowedRoomsIn(content: JsonObject): RoomId[] {
  const rooms: RoomId[] = []
  for (const condition of getArray(content, 'allow') ?? []) {
    if (!isJsonObject(condition) || getString(condition, 'type') !== 'm.room_membership') continue
    const roomId = parseRoomId(getString(condition, 'room_id') ?? '')
    if (roomId !== undefined) rooms.push(roomId)
  }
  return rooms
}

/** `shared` where nothing else, or nothing known, is said. */
export function historyVisibilityIn(content: JsonObject | undefined): HistoryVisibility {
  const visibility = content && getString(content, 'history_visibility')
  return isVisibility(visibility) ? visibility : 'shared'
}

export function guestAccessIn(content: JsonObject | undefined): GuestAccess {
  return content !== undefined && getString(content, 'guest_access') === 'can_join' ? 'can_join' : 'forbidden'
}

/** `m.room.create`. The creators are `creatorsOf` of `protocol/auth`. */
export interface RoomCreation {
  /** Not necessarily one that this server knows. */
  readonly roomVersion: string
  /** `m.space` and the like. */
  readonly roomType: string | undefined
  /** False: servers other than the creator's may not take part. */
  readonly federate: boolean
  readonly predecessor: RoomId | undefined
}

export function creationIn(content: JsonObject): RoomCreation {
  const predecessor = getObject(content, 'predecessor')
  return {
    roomVersion: getString(content, 'room_version') ?? '1',
    roomType: getString(content, 'type'),
    federate: getBoolean(content, 'm.federate') ?? true,
    predecessor: predecessor && parseRoomId(getString(predecessor, 'room_id') ?? ''),
  }
}

/** `third_party_invite` of an invite. `signed` is as it came, for checking its signatures. */
export interface ThirdPartyInvite {
  readonly displayName: string | undefined
  readonly userId: UserId
  readonly token: string
  readonly signed: JsonObject
}

export function thirdPartyInviteIn(content: JsonObject): ThirdPartyInvite | undefined {
  const invite = getObject(content, 'third_party_invite')
  const signed = invite && getObject(invite, 'signed')
  if (invite === undefined || signed === undefined) return undefined
  const userId = parseUserId(getString(signed, 'mxid') ?? '')
  const token = getString(signed, 'token')
  if (userId === undefined || token === undefined) return undefined
  return { displayName: getString(invite, 'display_name'), userId, token, signed }
}

/** `m.relates_to`. Client-server API "Forming relationships between events". */
export interface Relation {
  readonly relType: string
  readonly eventId: EventId
  /** Of an annotation: what it says. */
  readonly key: string | undefined
}

export function relationIn(content: JsonObject): Relation | undefined {
  const relation = getObject(content, 'm.relates_to')
  if (relation === undefined) return undefined
  const relType = getString(relation, 'rel_type')
  const eventId = parseEventId(getString(relation, 'event_id') ?? '')
  if (relType === undefined || eventId === undefined) return undefined
  return { relType, eventId, key: getString(relation, 'key') }
}

/** The event that this one replies to, which is no `rel_type`. */
export function replyTargetIn(content: JsonObject): EventId | undefined {
  const relation = getObject(content, 'm.relates_to')
  const reply = relation && getObject(relation, 'm.in_reply_to')
  return reply && parseEventId(getString(reply, 'event_id') ?? '')
}

/** The root of the thread that the event itself names. Events that belong to one through others are found by relations. */
export function threadRootIn(content: JsonObject): EventId | undefined {
  const relation = relationIn(content)
  return relation?.relType === 'm.thread' ? relation.eventId : undefined
}

/** `m.mentions`. Undefined when the event does not have it, which means an old client wrote it. */
export interface Mentions {
  readonly userIds: readonly UserId[]
  readonly room: boolean
}

export function mentionsIn(content: JsonObject): Mentions | undefined {
  const mentions = getObject(content, 'm.mentions')
  if (mentions === undefined) return undefined
  const userIds = (getArray(mentions, 'user_ids') ?? [])
    .map((id) => (typeof id === 'string' ? parseUserId(id) : undefined))
    .filter((id) => id !== undefined)
  return { userIds, room: getBoolean(mentions, 'room') === true }
}

/** Undefined for an empty name, which means that the room has none. */
export function roomNameIn(content: JsonObject): string | undefined {
  return nonEmpty(content, 'name')
}

/** The plain topic, beside which rich ones keep a fallback. */
export function topicIn(content: JsonObject): string | undefined {
  return nonEmpty(content, 'topic')
}

export function avatarUrlIn(content: JsonObject): string | undefined {
  return nonEmpty(content, 'url')
}

export interface CanonicalAlias {
  readonly alias: RoomAlias | undefined
  readonly altAliases: readonly RoomAlias[]
}

export function canonicalAliasIn(content: JsonObject): CanonicalAlias {
  const altAliases = (getArray(content, 'alt_aliases') ?? [])
    .map((alias) => (typeof alias === 'string' ? parseRoomAlias(alias) : undefined))
    .filter((alias) => alias !== undefined)
  return { alias: parseRoomAlias(getString(content, 'alias') ?? ''), altAliases }
}

/** Algorithm of `m.room.encryption`. A room that has the event is encrypted, even if this says nothing. */
export function encryptionAlgorithmIn(content: JsonObject): string | undefined {
  return getString(content, 'algorithm')
}

/** Whether the event carries a `url`, as `contains_url` of filters asks. */
export function containsUrl(content: JsonObject): boolean {
  return getValue(content, 'url') !== undefined
}

function nonEmpty(content: JsonObject, key: string): string | undefined {
  const value = getString(content, key)
  return value === '' ? undefined : value
}
