export type { Recipient } from './conditions.js'
export { isDefaultRule } from './defaults.js'
export { type CompiledRules, compileRules, evaluate, type PushOutcome } from './evaluate.js'
export { EventFacts, type PushEvent, type RoomFacts } from './event-facts.js'
export { isRuleKind, type PushAction, type PushRule, RULE_KINDS, type RuleKind, type Ruleset } from './types.js'
export {
  deleteRule,
  findRule,
  MAX_USER_RULES,
  NO_USER_RULES,
  putRule,
  type RulePlace,
  rulesetOf,
  setActions,
  setEnabled,
  type UserRules,
} from './user-rules.js'
export { MAX_RULE_BYTES, MAX_RULE_ID_BYTES, validateActions, validateRule } from './validate.js'
