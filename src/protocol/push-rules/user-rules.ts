import type { UserId } from '../ids.js'
import { MatrixError } from '../matrix-error.js'
import { DEFAULT_RULES, isDefaultRule, personalise } from './defaults.js'
import { type PushAction, type PushRule, RULE_KINDS, type RuleKind, type Ruleset } from './types.js'

/** What a user changed of a default rule. */
export type DefaultChange = {
  readonly enabled?: boolean
  readonly actions?: readonly PushAction[]
}

/**
 * What a user's rules differ from the defaults by. Plain JSON: this is what is stored. Every function below gives a
 * new object and leaves the old as it was.
 */
export type UserRules = {
  /** The user's own rules, the most important first. */
  readonly rules: Readonly<Partial<Record<RuleKind, readonly PushRule[]>>>
  /** By `kind/rule_id` of a default rule. */
  readonly defaults: Readonly<Record<string, DefaultChange>>
}

export const NO_USER_RULES: UserRules = Object.freeze({ rules: Object.freeze({}), defaults: Object.freeze({}) })

/** More rules than this nobody needs, and each is looked at for each event. */
export const MAX_USER_RULES = 10_000

/** Where a rule is put: the most important rule below that one (`after`), or the least important above it (`before`). */
export interface RulePlace {
  readonly before?: string
  readonly after?: string
}

/** The whole rule set of a user: `.m.rule.master`, their own rules, then the other defaults. */
export function rulesetOf(userId: UserId, user: UserRules): Ruleset {
  const ruleset = {} as Record<RuleKind, PushRule[]>
  for (const kind of RULE_KINDS) ruleset[kind] = [...(user.rules[kind] ?? [])]
  for (const { kind, comesFirst, rule } of DEFAULT_RULES) {
    const changed = withChange(personalise(rule, userId), changeOf(user, kind, rule.rule_id))
    if (comesFirst) ruleset[kind].unshift(changed)
    else ruleset[kind].push(changed)
  }
  return ruleset
}

export function withChange(rule: PushRule, change: DefaultChange | undefined): PushRule {
  return change ? { ...rule, ...change } : rule
}

export function changeOf(user: UserRules, kind: RuleKind, ruleId: string): DefaultChange | undefined {
  const key = `${kind}/${ruleId}`
  return Object.hasOwn(user.defaults, key) ? user.defaults[key] : undefined
}

/** One rule as the user sees it. @throws M_NOT_FOUND */
export function findRule(userId: UserId, user: UserRules, kind: RuleKind, ruleId: string): PushRule {
  const own = user.rules[kind]?.find((rule) => rule.rule_id === ruleId)
  if (own) return own
  const entry = DEFAULT_RULES.find((candidate) => candidate.kind === kind && candidate.rule.rule_id === ruleId)
  if (!entry) throw notFound()
  return withChange(personalise(entry.rule, userId), changeOf(user, kind, ruleId))
}

/**
 * Adds a rule, or gives the one of that id new contents. A new rule without place becomes the most important of the
 * user's own; one that is there stays where it is, and stays switched on or off. data/api/client-server/pushrules.yaml.
 *
 * @param rule checked by `validateRule`
 * @throws M_UNKNOWN when the rule that the place refers to is not there, M_INVALID_PARAM when that is a default rule,
 *   M_TOO_LARGE (400) for one rule too many
 */
export function putRule(user: UserRules, kind: RuleKind, rule: PushRule, place: RulePlace = {}): UserRules {
  const rules = [...(user.rules[kind] ?? [])]
  const index = rules.findIndex((candidate) => candidate.rule_id === rule.rule_id)
  const old = rules[index]
  const changed = old ? { ...rule, enabled: old.enabled } : rule
  if (!old && countRules(user) >= MAX_USER_RULES) {
    throw new MatrixError('M_TOO_LARGE', 'There are too many push rules', { status: 400 })
  }
  const anchor = place.before ?? place.after
  if (anchor === undefined) {
    if (old) rules[index] = changed
    else rules.unshift(changed)
    return withRules(user, kind, rules)
  }
  if (anchor.startsWith('.')) throw new MatrixError('M_INVALID_PARAM', 'A rule has no place relative to a default rule')
  if (anchor === rule.rule_id && old) {
    rules[index] = changed
    return withRules(user, kind, rules)
  }
  if (old) rules.splice(index, 1)
  const at = rules.findIndex((candidate) => candidate.rule_id === anchor)
  if (at === -1) throw new MatrixError('M_UNKNOWN', `before/after rule not found: ${anchor}`)
  rules.splice(place.before === undefined ? at + 1 : at, 0, changed)
  return withRules(user, kind, rules)
}

/** @throws M_NOT_FOUND for a rule that the user did not make */
export function deleteRule(user: UserRules, kind: RuleKind, ruleId: string): UserRules {
  const rules = user.rules[kind] ?? []
  const rest = rules.filter((rule) => rule.rule_id !== ruleId)
  if (rest.length === rules.length) throw notFound()
  return withRules(user, kind, rest)
}

/** @throws M_NOT_FOUND */
export function setEnabled(user: UserRules, kind: RuleKind, ruleId: string, enabled: boolean): UserRules {
  return change(user, kind, ruleId, { enabled })
}

/** @param actions checked by `validateActions`. @throws M_NOT_FOUND */
export function setActions(user: UserRules, kind: RuleKind, ruleId: string, actions: readonly PushAction[]): UserRules {
  return change(user, kind, ruleId, { actions })
}

function change(user: UserRules, kind: RuleKind, ruleId: string, changes: DefaultChange): UserRules {
  if (isDefaultRule(kind, ruleId)) {
    const changed = { ...changeOf(user, kind, ruleId), ...changes }
    return { rules: user.rules, defaults: { ...user.defaults, [`${kind}/${ruleId}`]: changed } }
  }
  const rules = user.rules[kind] ?? []
  if (!rules.some((rule) => rule.rule_id === ruleId)) throw notFound()
  return withRules(
    user,
    kind,
    rules.map((rule) => (rule.rule_id === ruleId ? { ...rule, ...changes } : rule)),
  )
}

function withRules(user: UserRules, kind: RuleKind, rules: readonly PushRule[]): UserRules {
  return { defaults: user.defaults, rules: { ...user.rules, [kind]: rules } }
}

function countRules(user: UserRules): number {
  return RULE_KINDS.reduce((sum, kind) => sum + (user.rules[kind]?.length ?? 0), 0)
}

function notFound(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'The push rule was not found')
}
