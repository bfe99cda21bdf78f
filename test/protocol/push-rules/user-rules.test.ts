import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/protocol/json.js'
import { MatrixError } from '../../../src/protocol/matrix-error.js'
import {
  deleteRule,
  findRule,
  NO_USER_RULES,
  putRule,
  type RuleKind,
  type RulePlace,
  rulesetOf,
  setActions,
  setEnabled,
  type UserRules,
  validateActions,
  validateRule,
} from '../../../src/protocol/push-rules/index.js'
import { userId } from '../../support/pdu-factory.js'

const ME = userId('@me:a.example')

function put(user: UserRules, id: string, place?: RulePlace, kind: RuleKind = 'override'): UserRules {
  return putRule(user, kind, validateRule(kind, id, { actions: [], pattern: id }), place)
}

function idsOf(user: UserRules, kind: RuleKind = 'override'): string[] {
  return rulesetOf(ME, user)
    [kind].filter((rule) => !rule.default)
    .map((rule) => rule.rule_id)
}

/** errcode and status of what is thrown. */
function errorOf(act: () => unknown): [string, number] | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof MatrixError) return [error.errcode, error.status]
    throw error
  }
  return undefined
}

describe('the rules of a user', () => {
  const abc = ['c', 'b', 'a'].reduce((user, id) => put(user, id), NO_USER_RULES)

  it('stand between master and the other defaults', () => {
    const ids = rulesetOf(ME, put(NO_USER_RULES, 'mine')).override.map((rule) => rule.rule_id)
    expect(ids.slice(0, 3)).toEqual(['.m.rule.master', 'mine', '.org.matrix.msc4028.encrypted_event'])
  })

  it('begin as the most important, on, and not default', () => {
    expect(idsOf(abc)).toEqual(['a', 'b', 'c'])
    expect(findRule(ME, abc, 'override', 'a')).toEqual({
      rule_id: 'a',
      default: false,
      enabled: true,
      actions: [],
      conditions: [],
    })
  })

  it('are put before or after another one', () => {
    expect(idsOf(put(abc, 'x', { before: 'b' }))).toEqual(['a', 'x', 'b', 'c'])
    expect(idsOf(put(abc, 'x', { after: 'b' }))).toEqual(['a', 'b', 'x', 'c'])
    expect(idsOf(put(abc, 'x', { before: 'c', after: 'a' }))).toEqual(['a', 'b', 'x', 'c'])
    expect(idsOf(put(abc, 'a', { after: 'c' }))).toEqual(['b', 'c', 'a'])
    expect(idsOf(put(abc, 'c', { before: 'a' }))).toEqual(['c', 'a', 'b'])
    expect(idsOf(put(abc, 'b', { before: 'b' }))).toEqual(['a', 'b', 'c'])
  })

  it('have no place next to a rule that is not there, of another kind, or a default', () => {
    expect(errorOf(() => put(abc, 'x', { before: 'nowhere' }))).toEqual(['M_UNKNOWN', 400])
    expect(errorOf(() => put(abc, 'x', { after: 'x' }))).toEqual(['M_UNKNOWN', 400])
    expect(errorOf(() => put(abc, 'x', { after: 'a' }, 'underride'))).toEqual(['M_UNKNOWN', 400])
    expect(errorOf(() => put(abc, 'x', { after: '.m.rule.call' }))).toEqual(['M_INVALID_PARAM', 400])
  })

  it('stay in place and off when they are changed', () => {
    const off = setEnabled(abc, 'override', 'b', false)
    const changed = putRule(off, 'override', validateRule('override', 'b', { actions: ['notify'] }))
    expect(idsOf(changed)).toEqual(['a', 'b', 'c'])
    expect(findRule(ME, changed, 'override', 'b')).toMatchObject({ enabled: false, actions: ['notify'] })
  })

  it('of different kinds may have the same id', () => {
    const both = put(abc, 'a', undefined, 'content')
    expect(idsOf(deleteRule(both, 'override', 'a'))).toEqual(['b', 'c'])
    expect(idsOf(deleteRule(both, 'override', 'a'), 'content')).toEqual(['a'])
  })

  it('are changed without touching what was there before', () => {
    const before = JSON.stringify(abc)
    put(abc, 'x')
    setEnabled(abc, 'override', 'a', false)
    setActions(abc, 'override', '.m.rule.reaction', ['notify'])
    deleteRule(abc, 'override', 'a')
    expect(JSON.stringify(abc)).toBe(before)
    expect(JSON.parse(before)).toEqual(abc)
  })

  it('are at most 10,000', () => {
    const rule = (index: number): JsonObject => ({ rule_id: `r${index}`, default: false, enabled: true, actions: [] })
    const many = Array.from({ length: 10_000 }, (_, index) => rule(index)) as never
    const full: UserRules = { rules: { room: many }, defaults: {} }
    expect(errorOf(() => put(full, 'one more'))).toEqual(['M_TOO_LARGE', 400])
    expect(errorOf(() => put(full, 'r5', undefined, 'room'))).toBeUndefined()
  })

  it('that are not there cannot be found, changed or deleted', () => {
    for (const act of [
      () => findRule(ME, abc, 'override', 'x'),
      () => findRule(ME, abc, 'content', 'a'),
      () => deleteRule(abc, 'override', 'x'),
      () => deleteRule(abc, 'override', '.m.rule.master'),
      () => setEnabled(abc, 'content', '.m.rule.master', true),
      () => setActions(abc, 'override', '.m.rule.unheard', []),
    ]) {
      expect(errorOf(act)).toEqual(['M_NOT_FOUND', 404])
    }
  })

  it('of the server are changed in part', () => {
    const changed = setActions(
      setEnabled(NO_USER_RULES, 'underride', '.m.rule.call', false),
      'underride',
      '.m.rule.call',
      [],
    )
    expect(findRule(ME, changed, 'underride', '.m.rule.call')).toMatchObject({
      enabled: false,
      actions: [],
      default: true,
    })
    expect(rulesetOf(ME, changed).underride[0]).toMatchObject({ rule_id: '.m.rule.call', enabled: false, actions: [] })
  })
})

describe('a rule of a client', () => {
  const validate = (kind: RuleKind, id: string, body: JsonObject) => () => validateRule(kind, id, body)

  it('is taken with what its kind has, and no more', () => {
    const body = { actions: ['notify'], pattern: 'p', conditions: [{ kind: 'x' }], enabled: false, default: true }
    const base = { rule_id: 'id', default: false, enabled: true, actions: ['notify'] }
    expect(validateRule('override', 'id', body)).toEqual({ ...base, conditions: [{ kind: 'x' }] })
    expect(validateRule('content', 'id', body)).toEqual({ ...base, pattern: 'p' })
    expect(validateRule('room', 'id', body)).toEqual(base)
    expect(validateRule('underride', 'id', { actions: [] }).conditions).toEqual([])
  })

  it('has an id of its own', () => {
    for (const id of ['.mine', 'a/b', 'a\\b', '']) {
      expect(errorOf(validate('room', id, { actions: [] }))).toEqual(['M_INVALID_PARAM', 400])
    }
    expect(errorOf(validate('room', 'é'.repeat(150), { actions: [] }))).toBeUndefined()
    expect(errorOf(validate('room', 'é'.repeat(151), { actions: [] }))).toEqual(['M_TOO_LARGE', 400])
  })

  it('has actions that are known', () => {
    expect(errorOf(validate('room', 'id', {}))).toEqual(['M_MISSING_PARAM', 400])
    expect(errorOf(validate('room', 'id', { actions: 'notify' }))).toEqual(['M_BAD_JSON', 400])
    for (const action of ['shout', 1, null, {}, { set_tweak: 1 }, []]) {
      expect(errorOf(validate('room', 'id', { actions: [action] }))).toEqual(['M_INVALID_PARAM', 400])
    }
  })

  it('has conditions or a pattern as its kind asks', () => {
    expect(errorOf(validate('content', 'id', { actions: [] }))).toEqual(['M_MISSING_PARAM', 400])
    expect(errorOf(validate('content', 'id', { actions: [], pattern: 1 }))).toEqual(['M_BAD_JSON', 400])
    expect(errorOf(validate('override', 'id', { actions: [], conditions: {} }))).toEqual(['M_BAD_JSON', 400])
    for (const condition of ['x', {}, { kind: 1 }]) {
      expect(errorOf(validate('override', 'id', { actions: [], conditions: [condition] }))).toEqual(['M_BAD_JSON', 400])
    }
  })

  it('has at most 1,024 bytes, and so have actions alone', () => {
    expect(errorOf(validate('content', 'id', { actions: [], pattern: 'x'.repeat(1_000) }))).toBeUndefined()
    expect(errorOf(validate('content', 'id', { actions: [], pattern: 'é'.repeat(600) }))).toEqual(['M_TOO_LARGE', 400])
    const long = { set_tweak: 'sound', value: 'x'.repeat(1_100) }
    expect(errorOf(() => validateActions([long]))).toEqual(['M_TOO_LARGE', 400])
    expect(errorOf(validate('override', 'id', { actions: [], conditions: [{ kind: 'x'.repeat(1_100) }] }))).toEqual([
      'M_TOO_LARGE',
      400,
    ])
  })
})
