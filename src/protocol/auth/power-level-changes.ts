import type { Pdu } from '../event/pdu.js'
import { parseUserId } from '../ids.js'
import { getObject, isJsonObject, type JsonObject, type JsonValue } from '../json.js'
import { creatorsOf } from './create.js'
import { powerLevelOf, readLevel } from './power-levels.js'
import { ruleNumbers } from './rule-numbers.js'
import { ALLOWED, type AuthState, type AuthVerdict, type Refusal, refuse } from './verdict.js'

const LEVELS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const

const EMPTY: JsonObject = Object.freeze({})

/** The rule of `m.room.power_levels`: its form, then that nobody gives or takes what is above them. */
export function checkPowerLevels(event: Pdu, state: AuthState): AuthVerdict {
  const malformed = checkForm(event, state)
  if (malformed) return malformed
  const previous = state.get('m.room.power_levels', '')
  if (!previous) return ALLOWED
  return checkChanges(event, previous, powerLevelOf(event.sender, state)) ?? ALLOWED
}

function checkForm(event: Pdu, state: AuthState): Refusal | undefined {
  const { version, content } = event
  const rules = ruleNumbers(version).levels
  if (version.integerPowerLevels) {
    const wrong = LEVELS.find((name) => isPresent(content, name) && readLevel(version, content[name]) === undefined)
    if (wrong) return refuse(rules.properties, `${wrong} is not an integer`)
    const map = ['events', 'notifications'].find(
      (name) => isPresent(content, name) && !isMapOfLevels(event, content[name]),
    )
    if (map) return refuse(rules.maps, `${map} is not an object of integers`)
  }
  if (!isPresent(content, 'users')) return undefined
  const users = content.users
  if (!isJsonObject(users) || !isMapOfLevels(event, users))
    return refuse(rules.users, 'users is not an object of levels')
  const stranger = Object.keys(users).find((id) => parseUserId(id) === undefined)
  if (stranger !== undefined) return refuse(rules.users, 'users has a key that is not a user id')
  const create = state.get('m.room.create', '')
  if (version.privilegedCreators && create && [...creatorsOf(create)].some((id) => isPresent(users, id))) {
    return refuse(rules.creators, 'users has a creator of the room')
  }
  return undefined
}

function isPresent(value: JsonObject, name: string): boolean {
  return Object.hasOwn(value, name)
}

function isMapOfLevels(event: Pdu, value: JsonValue | undefined): boolean {
  return isJsonObject(value) && Object.values(value).every((level) => readLevel(event.version, level) !== undefined)
}

function checkChanges(event: Pdu, previous: Pdu, senderLevel: number): Refusal | undefined {
  const rules = ruleNumbers(event.version).levels
  for (const name of LEVELS) {
    const change = changeOf(event, previous, event.content, previous.content, name)
    if (!change) continue
    if (exceeds(change.before, senderLevel)) return refuse(`${rules.alteredProperty}.1`, `${name} was above the sender`)
    if (exceeds(change.after, senderLevel)) return refuse(`${rules.alteredProperty}.2`, `${name} is above the sender`)
  }
  for (const name of event.version.notificationsLevelChecked ? ['events', 'notifications'] : ['events']) {
    for (const { key, before, after } of changesIn(event, previous, name)) {
      if (exceeds(before, senderLevel))
        return refuse(`${rules.alteredEntry}.1`, `${name} of ${key} was above the sender`)
      if (exceeds(after, senderLevel)) return refuse(`${rules.addedEntry}.1`, `${name} of ${key} is above the sender`)
    }
  }
  for (const { key, before, after } of changesIn(event, previous, 'users')) {
    if (key !== event.sender && before !== 'absent' && (before === 'unreadable' || before >= senderLevel)) {
      return refuse(`${rules.alteredUser}.1`, `${key} was not below the sender`)
    }
    if (exceeds(after, senderLevel)) return refuse(`${rules.addedUser}.1`, `${key} is above the sender`)
  }
  return undefined
}

/** A level that is no number cannot be compared: a change from or to it is above everybody. */
type Level = number | 'absent' | 'unreadable'

interface Change {
  readonly key: string
  readonly before: Level
  readonly after: Level
}

function exceeds(level: Level, senderLevel: number): boolean {
  return level === 'unreadable' || (level !== 'absent' && level > senderLevel)
}

function* changesIn(event: Pdu, previous: Pdu, name: string): Generator<Change> {
  const after = entriesOf(event, name)
  const before = entriesOf(previous, name)
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const change = changeOf(event, previous, after, before, key)
    if (change) yield change
  }
}

function entriesOf(event: Pdu, name: string): JsonObject {
  return getObject(event.content, name) ?? EMPTY
}

function changeOf(
  event: Pdu,
  previous: Pdu,
  newValues: JsonObject,
  oldValues: JsonObject,
  key: string,
): Change | undefined {
  const before = levelIn(previous, oldValues, key)
  const after = levelIn(event, newValues, key)
  // What was unreadable and stays so, is not touched.
  return before === after ? undefined : { key, before, after }
}

function levelIn(event: Pdu, values: JsonObject, key: string): Level {
  if (!isPresent(values, key)) return 'absent'
  return readLevel(event.version, values[key]) ?? 'unreadable'
}
