import type { JsonObject, JsonValue } from '../json.js'

/** In the order in which they are checked. */
export const RULE_KINDS = ['override', 'content', 'room', 'sender', 'underride'] as const

export type RuleKind = (typeof RULE_KINDS)[number]

export function isRuleKind(value: string): value is RuleKind {
  return (RULE_KINDS as readonly string[]).includes(value)
}

/** `notify`, or `{ set_tweak, value }`; others are kept and do nothing. */
export type PushAction = JsonValue

/**
 * As clients see it. Client-server API, "Push Rules"; data/api/client-server/definitions/push_rule.yaml.
 * A type and no interface, as all of what is stored or answered here: so it is a `JsonObject` to the compiler too.
 */
export type PushRule = {
  readonly rule_id: string
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly PushAction[]
  /** Of override and underride rules. What the server does not know in a condition is kept, and never matches. */
  readonly conditions?: readonly JsonObject[]
  /** Of content rules. */
  readonly pattern?: string
}

/** Rules by kind, the most important first: what `GET /pushrules/` shows as `global`. */
export type Ruleset = Readonly<Record<RuleKind, readonly PushRule[]>>
