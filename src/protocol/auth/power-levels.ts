import type { Pdu } from '../event/pdu.js'
import { getString, getValue, isJsonObject, type JsonValue, LosslessNumber } from '../json.js'
import type { RoomVersion } from '../room-version.js'
import { creatorsOf } from './create.js'
import type { AuthState } from './verdict.js'

/** The levels of a room as they apply, defaults filled in. Absent and unreadable values are the defaults. */
export interface PowerLevels {
  readonly usersDefault: number
  readonly eventsDefault: number
  readonly stateDefault: number
  readonly ban: number
  readonly kick: number
  readonly redact: number
  readonly invite: number
  readonly users: ReadonlyMap<string, number>
  readonly events: ReadonlyMap<string, number>
  readonly notifications: ReadonlyMap<string, number>
}

const NONE: ReadonlyMap<string, number> = new Map()

/** Levels of a room without power levels event: everybody may talk, only its creator change state. */
const WITHOUT_EVENT: PowerLevels = {
  usersDefault: 0,
  eventsDefault: 0,
  stateDefault: 50,
  ban: 50,
  kick: 50,
  redact: 50,
  invite: 0,
  users: NONE,
  events: NONE,
  notifications: NONE,
}

/** Level of somebody in `notifications` that the event does not name: `room` is the only one specified, with 50. */
const NOTIFICATION_DEFAULT = 50

const read = new WeakMap<Pdu, PowerLevels>()

export function powerLevelsOf(state: AuthState): PowerLevels {
  const event = state.get('m.room.power_levels', '')
  if (!event) return WITHOUT_EVENT
  const known = read.get(event)
  if (known) return known
  const levels = readPowerLevels(event)
  read.set(event, levels)
  return levels
}

function readPowerLevels({ version, content }: Pdu): PowerLevels {
  const level = (name: string, fallback: number): number => readLevel(version, getValue(content, name)) ?? fallback
  return {
    usersDefault: level('users_default', WITHOUT_EVENT.usersDefault),
    eventsDefault: level('events_default', WITHOUT_EVENT.eventsDefault),
    stateDefault: level('state_default', WITHOUT_EVENT.stateDefault),
    ban: level('ban', WITHOUT_EVENT.ban),
    kick: level('kick', WITHOUT_EVENT.kick),
    redact: level('redact', WITHOUT_EVENT.redact),
    invite: level('invite', WITHOUT_EVENT.invite),
    users: readLevels(version, getValue(content, 'users')),
    events: readLevels(version, getValue(content, 'events')),
    notifications: readLevels(version, getValue(content, 'notifications')),
  }
}

function readLevels(version: RoomVersion, value: JsonValue | undefined): ReadonlyMap<string, number> {
  const levels = new Map<string, number>()
  if (!isJsonObject(value)) return levels
  for (const [name, entry] of Object.entries(value)) {
    const level = readLevel(version, entry)
    if (level !== undefined) levels.set(name, level)
  }
  return levels
}

/**
 * One level, undefined when it is none. Up to room version 9 a string that is an integer counts (`" +050 "`), up to
 * version 5, whose JSON may have them, also a fraction, cut off at the point. Room version 1, "Deprecated event content
 * schemas"; version 10, rule 9.1.
 */
export function readLevel(version: RoomVersion, value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value)) return value
  if (version.integerPowerLevels) return undefined
  if (typeof value === 'string') {
    const digits = value.trim()
    if (!/^[+-]?[0-9]+$/.test(digits)) return undefined
    const level = Number(digits)
    return Number.isFinite(level) ? level : undefined
  }
  if (version.strictCanonicalJson) return undefined
  const number = value instanceof LosslessNumber ? value.toNumber() : value
  // Adding 0 makes 0 of -0.
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) + 0 : undefined
}

/**
 * The level of a user: infinite for a creator of a room of version 12 or later. Without power levels event the creator
 * has 100 and everybody else 0.
 */
export function powerLevelOf(userId: string, state: AuthState): number {
  const create = state.get('m.room.create', '')
  const isCreator = create !== undefined && (creatorsOf(create) as ReadonlySet<string>).has(userId)
  if (isCreator && create.version.privilegedCreators) return Number.POSITIVE_INFINITY
  if (isCreator && !state.get('m.room.power_levels', '')) return 100
  const levels = powerLevelsOf(state)
  return levels.users.get(userId) ?? levels.usersDefault
}

/** What an event of this type takes. Memberships, third party invites and redactions have rules of their own beside it. */
export function levelToSend(type: string, isState: boolean, state: AuthState): number {
  const levels = powerLevelsOf(state)
  return levels.events.get(type) ?? (isState ? levels.stateDefault : levels.eventsDefault)
}

/** What it takes to notify in this way, as `sender_notification_permission` of push rules asks (`room` for `@room`). */
export function levelToNotify(key: string, state: AuthState): number {
  return powerLevelsOf(state).notifications.get(key) ?? NOTIFICATION_DEFAULT
}

export function requiredLevel(action: 'invite' | 'kick' | 'ban' | 'redact', state: AuthState): number {
  return powerLevelsOf(state)[action]
}

/** Membership in the state, `leave` for somebody who never was in the room. Whatever it says is no promise of a known value. */
export function membershipOf(userId: string, state: AuthState): string {
  const content = state.get('m.room.member', userId)?.content
  return (content && getString(content, 'membership')) ?? 'leave'
}

export function isJoined(userId: string, state: AuthState): boolean {
  return membershipOf(userId, state) === 'join'
}

export function maySend(userId: string, type: string, isState: boolean, state: AuthState): boolean {
  return isJoined(userId, state) && powerLevelOf(userId, state) >= levelToSend(type, isState, state)
}

export function mayInvite(userId: string, state: AuthState): boolean {
  return isJoined(userId, state) && powerLevelOf(userId, state) >= requiredLevel('invite', state)
}

/** Also says who may unban, if `targetId` is banned: that takes the ban level as well. */
export function mayKick(userId: string, targetId: string, state: AuthState): boolean {
  const level = powerLevelOf(userId, state)
  if (membershipOf(targetId, state) === 'ban' && level < requiredLevel('ban', state)) return false
  return isJoined(userId, state) && level >= requiredLevel('kick', state) && level > powerLevelOf(targetId, state)
}

export function mayBan(userId: string, targetId: string, state: AuthState): boolean {
  const level = powerLevelOf(userId, state)
  return isJoined(userId, state) && level >= requiredLevel('ban', state) && level > powerLevelOf(targetId, state)
}

/** Whether the user has the level to redact what others sent. */
export function mayRedact(userId: string, state: AuthState): boolean {
  return powerLevelOf(userId, state) >= requiredLevel('redact', state)
}
