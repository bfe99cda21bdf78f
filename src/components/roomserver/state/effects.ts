/** What a change of the current state means for the tables that mirror it: counts, memberships, what was replaced. */
import { stateTuple } from '../../../protocol/event/pdu.js'
import { parseUserId, type ServerName, serverNameOf } from '../../../protocol/ids.js'
import type { JsonObject } from '../../../protocol/json.js'
import type { Membership } from '../api.js'
import type { Facts } from '../facts.js'
import type { PlannedChange, PlannedMember } from '../planned.js'
import type { StoredEvent } from '../room-event.js'
import type { MemberCounts, RoomHead } from './room-head.js'

/** A key of the state, and the event that it is to have; undefined takes the key away. */
export interface WantedChange {
  readonly type: string
  readonly stateKey: string
  readonly event: StoredEvent | undefined
}

export interface StateEffects {
  readonly changes: readonly PlannedChange[]
  readonly members: readonly PlannedMember[]
  readonly counts: MemberCounts
}

const MEMBERSHIPS: ReadonlySet<string> = new Set<Membership>(['join', 'invite', 'knock', 'leave', 'ban'])

/** Asks for everything that `effectsOf` needs. */
export function wantEffects(
  head: RoomHead | undefined,
  changes: Iterable<Omit<WantedChange, 'event'>>,
  facts: Facts,
): void {
  for (const { type, stateKey } of changes) {
    facts.wantType(type)
    facts.wantStateKey(stateKey)
    facts.wantEvent(head?.planned(stateTuple(type, stateKey)))
  }
}

/** `stripped` gives the stripped state for a local user who is invited or knocks. */
export function effectsOf(
  head: RoomHead,
  wanted: readonly WantedChange[],
  facts: Facts,
  serverName: ServerName,
  stripped: (member: StoredEvent) => string,
): StateEffects {
  const changes: PlannedChange[] = []
  const members: PlannedMember[] = []
  for (const { type, stateKey, event } of wanted) {
    const tuple = stateTuple(type, stateKey)
    const replacedNid = head.planned(tuple)
    const replaced = replacedNid === undefined ? undefined : facts.event(replacedNid)
    const typeNid = facts.typeNid(type)
    const stateKeyNid = facts.stateKeyNid(stateKey)
    changes.push({ tuple, type, stateKey, typeNid, stateKeyNid, event, replaced })
    if (type === 'm.room.member') {
      const member = memberOf(stateKey, event, replaced, serverName, stripped)
      if (member !== undefined) members.push(member)
    }
  }
  return { changes, members, counts: countsAfter(head.point.counts, members) }
}

function memberOf(
  stateKey: string,
  event: StoredEvent | undefined,
  replaced: StoredEvent | undefined,
  serverName: ServerName,
  stripped: (member: StoredEvent) => string,
): PlannedMember | undefined {
  const userId = parseUserId(stateKey)
  if (userId === undefined) return undefined
  const isLocal = serverNameOf(userId) === serverName
  const membership = event === undefined ? 'leave' : membershipIn(event.content)
  if (membership === undefined) return undefined
  const asked = membership === 'invite' || membership === 'knock'
  return {
    userId,
    event,
    membership,
    previous: replaced === undefined ? undefined : membershipIn(replaced.content),
    isLocal,
    displayName: event === undefined ? undefined : textIn(event.content, 'displayname'),
    avatarUrl: event === undefined ? undefined : textIn(event.content, 'avatar_url'),
    strippedState: event !== undefined && asked && isLocal ? stripped(event) : undefined,
  }
}

/** Undefined for content that a redaction or a sender without sense has left without one. */
export function membershipIn(content: JsonObject): Membership | undefined {
  const membership = content.membership
  return typeof membership === 'string' && isMembership(membership) ? membership : undefined
}

function isMembership(text: string): text is Membership {
  return MEMBERSHIPS.has(text)
}

function textIn(content: JsonObject, key: string): string | undefined {
  const value = content[key]
  return typeof value === 'string' ? value : undefined
}

function countsAfter(before: MemberCounts, members: readonly PlannedMember[]): MemberCounts {
  if (members.length === 0) return before
  let { joined, invited, localJoined } = before
  for (const { membership, previous, isLocal } of members) {
    const joins = Number(membership === 'join') - Number(previous === 'join')
    joined += joins
    if (isLocal) localJoined += joins
    invited += Number(membership === 'invite') - Number(previous === 'invite')
  }
  return { joined, invited, localJoined }
}
