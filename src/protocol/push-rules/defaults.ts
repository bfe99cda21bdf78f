import type { UserId } from '../ids.js'
import type { JsonObject } from '../json.js'
import type { PushAction, PushRule, RuleKind } from './types.js'

/**
 * The server-default rules. Client-server API v1.19, "Predefined Rules"; since v1.17 without those that looked for
 * mentions in the text. Beside them, under their unstable names, the poll rules of MSC3930 and the switch of MSC4028
 * that pushes every encrypted event, which is off until a client turns it on.
 */
export interface DefaultRule {
  readonly kind: RuleKind
  /** Before the user's own rules of its kind; all others come after them. */
  readonly comesFirst?: boolean
  readonly rule: PushRule
}

/** Stands for the id of the user who has the rules, in a condition's `pattern` or `value`. Never matches as it is. */
export const OWN_USER_ID = '\u0000own-user-id'

const NOTIFY = 'notify'
const HIGHLIGHT: PushAction = { set_tweak: 'highlight' }
const SOUND: PushAction = { set_tweak: 'sound', value: 'default' }
const RING: PushAction = { set_tweak: 'sound', value: 'ring' }

const ONE_TO_ONE: JsonObject = { kind: 'room_member_count', is: '2' }

function matches(key: string, pattern: string): JsonObject {
  return { kind: 'event_match', key, pattern }
}

function is(key: string, value: string | boolean): JsonObject {
  return { kind: 'event_property_is', key, value }
}

function defaultRule(
  kind: RuleKind,
  name: string,
  conditions: readonly JsonObject[],
  actions: readonly PushAction[],
  enabled = true,
): DefaultRule {
  return { kind, rule: { rule_id: name, default: true, enabled, conditions, actions } }
}

const override = defaultRule.bind(undefined, 'override')
const underride = defaultRule.bind(undefined, 'underride')

export const DEFAULT_RULES: readonly DefaultRule[] = [
  { ...override('.m.rule.master', [], [], false), comesFirst: true },
  override('.org.matrix.msc4028.encrypted_event', [matches('type', 'm.room.encrypted')], [NOTIFY], false),
  override('.m.rule.suppress_notices', [matches('content.msgtype', 'm.notice')], []),
  override(
    '.m.rule.invite_for_me',
    [matches('type', 'm.room.member'), matches('content.membership', 'invite'), matches('state_key', OWN_USER_ID)],
    [NOTIFY, SOUND],
  ),
  override('.m.rule.member_event', [matches('type', 'm.room.member')], []),
  override(
    '.m.rule.is_user_mention',
    [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: OWN_USER_ID }],
    [NOTIFY, SOUND, HIGHLIGHT],
  ),
  override(
    '.m.rule.is_room_mention',
    [is('content.m\\.mentions.room', true), { kind: 'sender_notification_permission', key: 'room' }],
    [NOTIFY, HIGHLIGHT],
  ),
  override('.m.rule.tombstone', [matches('type', 'm.room.tombstone'), matches('state_key', '')], [NOTIFY, HIGHLIGHT]),
  override('.m.rule.reaction', [matches('type', 'm.reaction')], []),
  override('.m.rule.room.server_acl', [matches('type', 'm.room.server_acl'), matches('state_key', '')], []),
  override('.org.matrix.msc3930.rule.poll_response', [is('type', 'org.matrix.msc3381.poll.response')], []),
  override('.m.rule.suppress_edits', [is('content.m\\.relates_to.rel_type', 'm.replace')], []),
  underride('.m.rule.call', [matches('type', 'm.call.invite')], [NOTIFY, RING]),
  underride('.m.rule.encrypted_room_one_to_one', [ONE_TO_ONE, matches('type', 'm.room.encrypted')], [NOTIFY, SOUND]),
  underride('.m.rule.room_one_to_one', [ONE_TO_ONE, matches('type', 'm.room.message')], [NOTIFY, SOUND]),
  underride('.m.rule.message', [matches('type', 'm.room.message')], [NOTIFY]),
  underride('.m.rule.encrypted', [matches('type', 'm.room.encrypted')], [NOTIFY]),
  underride(
    '.org.matrix.msc3930.rule.poll_start_one_to_one',
    [ONE_TO_ONE, is('type', 'org.matrix.msc3381.poll.start')],
    [NOTIFY, SOUND],
  ),
  underride('.org.matrix.msc3930.rule.poll_start', [is('type', 'org.matrix.msc3381.poll.start')], [NOTIFY]),
  underride(
    '.org.matrix.msc3930.rule.poll_end_one_to_one',
    [ONE_TO_ONE, is('type', 'org.matrix.msc3381.poll.end')],
    [NOTIFY, SOUND],
  ),
  underride('.org.matrix.msc3930.rule.poll_end', [is('type', 'org.matrix.msc3381.poll.end')], [NOTIFY]),
]

export function isDefaultRule(kind: RuleKind, ruleId: string): boolean {
  return DEFAULT_RULES.some((entry) => entry.kind === kind && entry.rule.rule_id === ruleId)
}

/** A default rule as this user sees it: with their id where it belongs. */
export function personalise(rule: PushRule, userId: UserId): PushRule {
  if (!rule.conditions?.some(isPersonal)) return rule
  const personal = (value: JsonObject[string]): JsonObject[string] => (value === OWN_USER_ID ? userId : value)
  return {
    ...rule,
    conditions: rule.conditions.map((condition) =>
      Object.fromEntries(Object.entries(condition).map(([name, value]) => [name, personal(value)])),
    ),
  }
}

function isPersonal(condition: JsonObject): boolean {
  return condition.pattern === OWN_USER_ID || condition.value === OWN_USER_ID
}
