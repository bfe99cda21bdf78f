import { compileGlob, compileWordGlob, type Glob } from '../glob.js'
import type { UserId } from '../ids.js'
import { getString, getValue, type JsonObject, type JsonValue } from '../json.js'
import { OWN_USER_ID } from './defaults.js'
import { containsDisplayName } from './display-name.js'
import type { EventFacts } from './event-facts.js'

/** The person whose rules are evaluated. */
export interface Recipient {
  readonly userId: UserId
  /** In this room; undefined when they have none. */
  readonly displayName: string | undefined
}

export type CompiledCondition = SharedCondition | PersonalCondition

/** The answer is the same for everybody who has this condition. */
export interface SharedCondition {
  readonly isPersonal: false
  holds(facts: EventFacts): boolean
}

export interface PersonalCondition {
  readonly isPersonal: true
  holds(facts: EventFacts, recipient: Recipient): boolean
}

/** The path with a meaning of its own: patterns are searched for in it as words. */
const BODY = 'content.body'

const NEVER: SharedCondition = shared(() => false)

function shared(holds: (facts: EventFacts) => boolean): SharedCondition {
  return { isPersonal: false, holds }
}

/**
 * A condition of a rule, ready for many events. One that is unknown or not well-formed never holds.
 * Client-server API, push "Conditions".
 */
export function compileCondition(condition: JsonObject): CompiledCondition {
  switch (getString(condition, 'kind')) {
    case 'event_match':
      return compileEventMatch(getString(condition, 'key'), getString(condition, 'pattern'))
    case 'event_property_is':
      return compileProperty(condition, (value, wanted) => value === wanted)
    case 'event_property_contains':
      return compileProperty(condition, (value, wanted) => Array.isArray(value) && value.includes(wanted))
    case 'contains_display_name':
      return { isPersonal: true, holds: (facts, { displayName }) => namesRecipient(facts, displayName) }
    case 'room_member_count':
      return compileMemberCount(getString(condition, 'is'))
    case 'sender_notification_permission':
      return compilePermission(getString(condition, 'key'))
    default:
      return NEVER
  }
}

/** The same condition, whose answer is kept with the event: for one that many recipients have. */
export function oncePerEvent(condition: CompiledCondition): CompiledCondition {
  if (condition.isPersonal) return condition
  const kept: SharedCondition = shared((facts) => facts.once(kept, () => condition.holds(facts)))
  return kept
}

/** What a content rule asks for: its pattern as words of the text. */
export function compilePattern(pattern: string | undefined): CompiledCondition {
  return compileEventMatch(BODY, pattern)
}

function compileEventMatch(key: string | undefined, pattern: string | undefined): CompiledCondition {
  if (key === undefined || pattern === undefined) return NEVER
  if (pattern === OWN_USER_ID) {
    return {
      isPersonal: true,
      // The user's id is a pattern here as any other would be; it is compared as one without wildcards.
      holds: (facts, { userId }) => stringAt(facts, key)?.toLowerCase() === userId.toLowerCase(),
    }
  }
  const glob: Glob = key === BODY ? compileWordGlob(pattern) : compileGlob(pattern, { ignoreCase: true })
  return shared((facts) => {
    const value = stringAt(facts, key)
    return value !== undefined && glob.matches(value)
  })
}

function stringAt(facts: EventFacts, key: string): string | undefined {
  const value = facts.property(key)
  return typeof value === 'string' ? value : undefined
}

function compileProperty(
  condition: JsonObject,
  compare: (value: JsonValue | undefined, wanted: JsonValue) => boolean,
): CompiledCondition {
  const key = getString(condition, 'key')
  const wanted = getValue(condition, 'value')
  if (key === undefined || !isPlain(wanted)) return NEVER
  if (wanted === OWN_USER_ID) {
    return { isPersonal: true, holds: (facts, { userId }) => compare(facts.property(key), userId) }
  }
  return shared((facts) => compare(facts.property(key), wanted))
}

/** The values that may be compared: of numbers only integers, of which canonical JSON has but one form. */
function isPlain(value: JsonValue | undefined): value is string | number | boolean | null {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  return typeof value === 'string' || typeof value === 'boolean' || value === null
}

function namesRecipient(facts: EventFacts, displayName: string | undefined): boolean {
  const body = stringAt(facts, BODY)
  return body !== undefined && displayName !== undefined && containsDisplayName(body, displayName)
}

const MEMBER_COUNT = /^(==|<=|>=|<|>)?([0-9]{1,15})$/

const COMPARISONS: ReadonlyMap<string | undefined, (count: number, limit: number) => boolean> = new Map([
  ['==', (count: number, limit: number) => count === limit],
  ['<', (count: number, limit: number) => count < limit],
  ['>', (count: number, limit: number) => count > limit],
  ['<=', (count: number, limit: number) => count <= limit],
  ['>=', (count: number, limit: number) => count >= limit],
])

function compileMemberCount(is: string | undefined): CompiledCondition {
  const parts = MEMBER_COUNT.exec(is ?? '')
  const compare = parts && COMPARISONS.get(parts[1] ?? '==')
  if (!compare) return NEVER
  const limit = Number(parts[2])
  return shared(({ room }) => compare(room.memberCount, limit))
}

function compilePermission(key: string | undefined): CompiledCondition {
  return key === undefined ? NEVER : shared(({ room }) => room.senderMayNotify(key))
}
