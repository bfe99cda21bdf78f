import { getValue, isJsonObject, type JsonObject, type JsonValue, stringifyJson } from '../json.js'
import { MatrixError } from '../matrix-error.js'
import type { PushAction, PushRule, RuleKind } from './types.js'

/** Of the id of a rule, in UTF-8. Wide enough for a room or user id (255) and what clients derive from one. */
export const MAX_RULE_ID_BYTES = 300

/** Of what a client sets for one rule, in UTF-8. */
export const MAX_RULE_BYTES = 1_024

/**
 * The rule that a client asks for, from the body of its PUT. Unknown conditions are kept: they never match, and a client
 * that knows more than the server can still show them.
 *
 * @throws M_INVALID_PARAM, M_MISSING_PARAM, M_BAD_JSON, M_TOO_LARGE (400)
 */
export function validateRule(kind: RuleKind, ruleId: string, body: JsonObject): PushRule {
  checkRuleId(ruleId)
  const actions = validateActions(getValue(body, 'actions'))
  const base = { rule_id: ruleId, default: false, enabled: true, actions }
  const rule = { ...base, ...kindSpecific(kind, body) }
  checkSize(rule.conditions ?? [], rule.pattern ?? '', actions)
  return rule
}

/** The actions that a client sets, of its own rule or of a default one. @throws like `validateRule` */
export function validateActions(value: JsonValue | undefined): readonly PushAction[] {
  if (value === undefined) throw new MatrixError('M_MISSING_PARAM', 'There are no actions')
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'The actions are not a list')
  const actions: readonly JsonValue[] = value
  for (const action of actions) {
    const isKnown = isJsonObject(action)
      ? typeof getValue(action, 'set_tweak') === 'string'
      : action === 'notify' || isHistorical(action)
    if (!isKnown) throw new MatrixError('M_INVALID_PARAM', 'An action is not known')
  }
  checkSize(actions)
  return actions
}

/** Actions of the past, which are kept for the clients that set them and do nothing. Client-server API, "Historical Actions". */
function isHistorical(action: JsonValue): boolean {
  return action === 'dont_notify' || action === 'coalesce'
}

function checkRuleId(ruleId: string): void {
  if (ruleId === '') throw new MatrixError('M_INVALID_PARAM', 'The rule id is empty')
  if (ruleId.startsWith('.')) throw new MatrixError('M_INVALID_PARAM', 'Rule ids with a dot in front are the server’s')
  if (/[/\\]/.test(ruleId)) throw new MatrixError('M_INVALID_PARAM', 'A rule id may have neither slash nor backslash')
  if (Buffer.byteLength(ruleId) > MAX_RULE_ID_BYTES) {
    throw new MatrixError('M_TOO_LARGE', `A rule id may have ${MAX_RULE_ID_BYTES} bytes`, { status: 400 })
  }
}

function kindSpecific(kind: RuleKind, body: JsonObject): Pick<PushRule, 'conditions' | 'pattern'> {
  if (kind === 'override' || kind === 'underride')
    return { conditions: validateConditions(getValue(body, 'conditions')) }
  if (kind !== 'content') return {}
  const pattern = getValue(body, 'pattern')
  if (pattern === undefined) throw new MatrixError('M_MISSING_PARAM', 'A content rule needs a pattern')
  if (typeof pattern !== 'string') throw new MatrixError('M_BAD_JSON', 'The pattern is not a string')
  return { pattern }
}

function validateConditions(value: JsonValue | undefined): readonly JsonObject[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'The conditions are not a list')
  return (value as readonly JsonValue[]).map((condition) => {
    if (isJsonObject(condition) && typeof getValue(condition, 'kind') === 'string') return condition
    throw new MatrixError('M_BAD_JSON', 'A condition is not an object with a kind')
  })
}

function checkSize(...parts: readonly JsonValue[]): void {
  if (Buffer.byteLength(stringifyJson(parts)) <= MAX_RULE_BYTES) return
  throw new MatrixError('M_TOO_LARGE', `A push rule may have ${MAX_RULE_BYTES} bytes`, { status: 400 })
}
