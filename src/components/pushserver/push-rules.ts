import type { Bus } from '../../platform/bus.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { UserId } from '../../protocol/ids.js'
import { type JsonObject, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import {
  deleteRule,
  findRule,
  isDefaultRule,
  isRuleKind,
  NO_USER_RULES,
  putRule,
  type RuleKind,
  rulesetOf,
  setActions,
  setEnabled,
  type UserRules,
  validateActions,
  validateRule,
} from '../../protocol/push-rules/index.js'
import { PUSH_STREAMS, type PushRuleStore } from './api.js'
import { parseUserRules, RULES_CHANGED } from './recipients.js'
import { LOCK_PUSH_RULES, SELECT_PUSH_RULES, SELECT_PUSH_RULES_BETWEEN, UPDATE_PUSH_RULES } from './store/push-rules.js'

export interface PushRuleDeps {
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
}

const NO_RULES_TEXT = stringifyJson(NO_USER_RULES as unknown as JsonObject)

/** Push rules of users, stored as what differs from the defaults. They reach clients as account data `m.push_rules`. */
export function createPushRules({ database, streamClock, feed, bus }: PushRuleDeps): PushRuleStore {
  const stored = async (userId: UserId): Promise<UserRules> => {
    const [row] = await database.run(SELECT_PUSH_RULES, [userId])
    return row === undefined ? NO_USER_RULES : parseUserRules(row.rules)
  }

  const change = async (userId: UserId, step: (rules: UserRules) => UserRules): Promise<void> => {
    await database.transaction(async (tx) => {
      const [row] = await tx.run(LOCK_PUSH_RULES, userId, NO_RULES_TEXT)
      const changed = step(row === undefined ? NO_USER_RULES : parseUserRules(row.rules))
      const position = await streamClock.take(tx, 1)
      tx.afterCommit(() => {
        bus.publish(RULES_CHANGED, [userId])
        feed.publish({ stream: PUSH_STREAMS.pushRules, position, keys: [userId] })
      })
      await tx.run(UPDATE_PUSH_RULES, userId, stringifyJson(changed as unknown as JsonObject), position)
    })
  }

  return {
    pushRules: async (userId) => shown(userId, await stored(userId)),
    async pushRulesBetween(userId, after, upTo) {
      const [row] = await database.run(SELECT_PUSH_RULES_BETWEEN, userId, after, upTo)
      return row && shown(userId, parseUserRules(row.rules))
    },
    async pushRule(userId, kind, ruleId) {
      return findRule(userId, await stored(userId), kindOf(kind), ruleId) as unknown as JsonObject
    },
    async putPushRule(userId, kind, ruleId, body, place) {
      const rule = validateRule(kindOf(kind), ruleId, body)
      await change(userId, (rules) => putRule(rules, kindOf(kind), rule, place))
    },
    async deletePushRule(userId, kind, ruleId) {
      if (isDefaultRule(kindOf(kind), ruleId)) {
        throw new MatrixError('M_INVALID_PARAM', 'A default rule cannot be deleted, only switched off')
      }
      await change(userId, (rules) => deleteRule(rules, kindOf(kind), ruleId))
    },
    async setPushRuleEnabled(userId, kind, ruleId, enabled) {
      await change(userId, (rules) => setEnabled(rules, kindOf(kind), ruleId, enabled))
    },
    async setPushRuleActions(userId, kind, ruleId, actions) {
      const valid = validateActions(actions)
      await change(userId, (rules) => setActions(rules, kindOf(kind), ruleId, valid))
    },
  }
}

function kindOf(kind: string): RuleKind {
  if (!isRuleKind(kind)) throw new MatrixError('M_INVALID_PARAM', `There is no push rule kind ${kind}`)
  return kind
}

function shown(userId: UserId, rules: UserRules): JsonObject {
  return { global: rulesetOf(userId, rules) as unknown as JsonObject }
}
