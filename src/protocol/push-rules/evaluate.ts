import { getString, getValue, isJsonObject, type JsonValue } from '../json.js'
import { type CompiledCondition, compileCondition, compilePattern, oncePerEvent, type Recipient } from './conditions.js'
import { DEFAULT_RULES } from './defaults.js'
import type { EventFacts } from './event-facts.js'
import type { PushAction, PushRule, RuleKind } from './types.js'
import { changeOf, NO_USER_RULES, type UserRules, withChange } from './user-rules.js'

/** What is to happen for one recipient: the actions of the first rule that matched. */
export interface PushOutcome {
  readonly ruleId: string
  readonly kind: RuleKind
  readonly actions: readonly PushAction[]
  readonly notify: boolean
  readonly highlight: boolean
  /** Name of the sound; undefined for none. */
  readonly sound: string | undefined
  /** All tweaks, as a push gateway gets them. */
  readonly tweaks: Readonly<Record<string, JsonValue>>
}

interface CompiledRule {
  readonly conditions: readonly CompiledCondition[]
  readonly outcome: PushOutcome
}

/** Enabled rules only, ready to be evaluated. Those by room and sender are found by id, however many there are. */
export interface CompiledRules {
  readonly override: readonly CompiledRule[]
  readonly content: readonly CompiledRule[]
  readonly room: ReadonlyMap<string, PushOutcome>
  readonly sender: ReadonlyMap<string, PushOutcome>
  readonly underride: readonly CompiledRule[]
}

/** The conditions of a default rule are the same objects for everybody, so that what they answer can be shared. */
const DEFAULT_CONDITIONS: ReadonlyMap<PushRule, readonly CompiledCondition[]> = new Map(
  DEFAULT_RULES.map(({ rule }) => [rule, (rule.conditions ?? []).map(compileCondition).map(oncePerEvent)]),
)

const UNCHANGED: CompiledRules = compile(NO_USER_RULES)

/**
 * A user's rules, ready for many events. For those who changed nothing it is one object, whose evaluation costs next to
 * nothing after the first of an event: 10,000 such members are no more work than ten.
 */
export function compileRules(user: UserRules): CompiledRules {
  const isUnchanged =
    Object.keys(user.defaults).length === 0 && Object.values(user.rules).every((rules) => !rules?.length)
  return isUnchanged ? UNCHANGED : compile(user)
}

/**
 * What the rules say about an event for one recipient; undefined when no rule matches, which is "do nothing". That
 * nobody is notified of what they sent themselves, or by whom they ignore, is the caller's to see to.
 */
export function evaluate(rules: CompiledRules, facts: EventFacts, recipient: Recipient): PushOutcome | undefined {
  if (rules === UNCHANGED)
    return firstMatch(
      facts.once(UNCHANGED, () => whatIsLeft(facts)),
      facts,
      recipient,
    )
  return (
    firstMatch(rules.override, facts, recipient) ??
    firstMatch(rules.content, facts, recipient) ??
    rules.room.get(facts.event.roomId) ??
    rules.sender.get(facts.event.sender) ??
    firstMatch(rules.underride, facts, recipient)
  )
}

/**
 * The default rules that can still match this event, with those conditions only that depend on the recipient. There are
 * defaults of override and underride alone; the first that depends on nobody ends the list.
 */
function whatIsLeft(facts: EventFacts): CompiledRule[] {
  const left: CompiledRule[] = []
  for (const { conditions, outcome } of [...UNCHANGED.override, ...UNCHANGED.underride]) {
    if (!conditions.every((condition) => condition.isPersonal || condition.holds(facts))) continue
    const personal = conditions.filter((condition) => condition.isPersonal)
    left.push({ conditions: personal, outcome })
    if (personal.length === 0) break
  }
  return left
}

function firstMatch(rules: readonly CompiledRule[], facts: EventFacts, recipient: Recipient): PushOutcome | undefined {
  return rules.find((rule) => rule.conditions.every((condition) => condition.holds(facts, recipient)))?.outcome
}

function compile(user: UserRules): CompiledRules {
  return {
    override: compileKind(user, 'override'),
    content: compileKind(user, 'content'),
    room: outcomesById(user, 'room'),
    sender: outcomesById(user, 'sender'),
    underride: compileKind(user, 'underride'),
  }
}

function compileKind(user: UserRules, kind: RuleKind): CompiledRule[] {
  const compiled: CompiledRule[] = []
  const add = (rule: PushRule, conditions: readonly CompiledCondition[]): void => {
    if (rule.enabled) compiled.push({ conditions, outcome: outcomeOf(kind, rule) })
  }
  const defaults = DEFAULT_RULES.filter((entry) => entry.kind === kind)
  const addDefaults = (comesFirst: boolean): void => {
    for (const entry of defaults) {
      if ((entry.comesFirst ?? false) !== comesFirst) continue
      const changed = withChange(entry.rule, changeOf(user, kind, entry.rule.rule_id))
      add(changed, DEFAULT_CONDITIONS.get(entry.rule) ?? [])
    }
  }
  addDefaults(true)
  for (const rule of user.rules[kind] ?? []) {
    add(rule, kind === 'content' ? [compilePattern(rule.pattern)] : (rule.conditions ?? []).map(compileCondition))
  }
  addDefaults(false)
  return compiled
}

function outcomesById(user: UserRules, kind: 'room' | 'sender'): ReadonlyMap<string, PushOutcome> {
  const enabled = (user.rules[kind] ?? []).filter((rule) => rule.enabled)
  return new Map(enabled.map((rule) => [rule.rule_id, outcomeOf(kind, rule)]))
}

function outcomeOf(kind: RuleKind, rule: PushRule): PushOutcome {
  const tweaks: Record<string, JsonValue> = Object.create(null)
  for (const action of rule.actions) {
    if (!isJsonObject(action)) continue
    const tweak = getString(action, 'set_tweak')
    const value = getValue(action, 'value')
    // `highlight` without a value is true; any other tweak without one says nothing.
    if (tweak === 'highlight') tweaks[tweak] = value ?? true
    else if (tweak !== undefined && value !== undefined) tweaks[tweak] = value
  }
  return {
    ruleId: rule.rule_id,
    kind,
    actions: rule.actions,
    notify: rule.actions.includes('notify'),
    highlight: tweaks.highlight === true,
    sound: typeof tweaks.sound === 'string' ? tweaks.sound : undefined,
    tweaks,
  }
}
