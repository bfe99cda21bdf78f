import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/protocol/json.js'
import {
  compileRules,
  EventFacts,
  evaluate,
  NO_USER_RULES,
  type PushOutcome,
  putRule,
  RULE_KINDS,
  type RuleKind,
  rulesetOf,
  setActions,
  setEnabled,
  type UserRules,
  validateRule,
} from '../../../src/protocol/push-rules/index.js'
import { aRoomId, eventId, userId } from '../../support/pdu-factory.js'

const ME = userId('@me:a.example')
const OTHER = userId('@other:b.example')
const ROOM = aRoomId('!room:a.example')

interface Sketch {
  readonly type?: string
  readonly content?: JsonObject
  readonly stateKey?: string
  readonly members?: number
  readonly mayNotify?: boolean
}

function factsOf({
  type = 'm.room.message',
  content = {},
  stateKey,
  members = 3,
  mayNotify = true,
}: Sketch): EventFacts {
  const event = { type, content, stateKey, sender: OTHER, roomId: ROOM, eventId: eventId('$event') }
  return new EventFacts(event, { memberCount: members, senderMayNotify: (key) => mayNotify && key === 'room' })
}

function outcomeOf(sketch: Sketch, user: UserRules = NO_USER_RULES, displayName?: string): PushOutcome | undefined {
  return evaluate(compileRules(user), factsOf(sketch), { userId: ME, displayName })
}

function withRule(kind: RuleKind, id: string, body: JsonObject): UserRules {
  return putRule(NO_USER_RULES, kind, validateRule(kind, id, { actions: ['notify'], ...body }))
}

/** Whether an override rule with this one condition matches. */
function matches(condition: JsonObject, sketch: Sketch, displayName?: string): boolean {
  return outcomeOf(sketch, withRule('override', 'mine', { conditions: [condition] }), displayName)?.ruleId === 'mine'
}

const ENCRYPTED = { type: 'm.room.encrypted', content: { ciphertext: 'x' } }

describe('the default rules', () => {
  /** An event that the rule is for, and what is to become of it: [notify, highlight, sound]. */
  const cases: [rule: string, event: Sketch, outcome: [boolean, boolean, string | undefined]][] = [
    ['.m.rule.suppress_notices', { content: { msgtype: 'm.notice', body: 'x' } }, [false, false, undefined]],
    [
      '.m.rule.invite_for_me',
      { type: 'm.room.member', content: { membership: 'invite' }, stateKey: ME },
      [true, false, 'default'],
    ],
    [
      '.m.rule.member_event',
      { type: 'm.room.member', content: { membership: 'invite' }, stateKey: OTHER },
      [false, false, undefined],
    ],
    ['.m.rule.is_user_mention', { content: { 'm.mentions': { user_ids: [OTHER, ME] } } }, [true, true, 'default']],
    ['.m.rule.is_room_mention', { content: { 'm.mentions': { room: true } } }, [true, true, undefined]],
    ['.m.rule.tombstone', { type: 'm.room.tombstone', stateKey: '' }, [true, true, undefined]],
    ['.m.rule.reaction', { type: 'm.reaction' }, [false, false, undefined]],
    ['.m.rule.room.server_acl', { type: 'm.room.server_acl', stateKey: '' }, [false, false, undefined]],
    ['.org.matrix.msc3930.rule.poll_response', { type: 'org.matrix.msc3381.poll.response' }, [false, false, undefined]],
    ['.m.rule.suppress_edits', { content: { 'm.relates_to': { rel_type: 'm.replace' } } }, [false, false, undefined]],
    ['.m.rule.call', { type: 'm.call.invite' }, [true, false, 'ring']],
    ['.m.rule.encrypted_room_one_to_one', { ...ENCRYPTED, members: 2 }, [true, false, 'default']],
    ['.m.rule.room_one_to_one', { members: 2 }, [true, false, 'default']],
    ['.m.rule.message', {}, [true, false, undefined]],
    ['.m.rule.encrypted', ENCRYPTED, [true, false, undefined]],
    [
      '.org.matrix.msc3930.rule.poll_start_one_to_one',
      { type: 'org.matrix.msc3381.poll.start', members: 2 },
      [true, false, 'default'],
    ],
    ['.org.matrix.msc3930.rule.poll_start', { type: 'org.matrix.msc3381.poll.start' }, [true, false, undefined]],
    [
      '.org.matrix.msc3930.rule.poll_end_one_to_one',
      { type: 'org.matrix.msc3381.poll.end', members: 2 },
      [true, false, 'default'],
    ],
    ['.org.matrix.msc3930.rule.poll_end', { type: 'org.matrix.msc3381.poll.end' }, [true, false, undefined]],
  ]

  for (const [rule, event, [notify, highlight, sound]] of cases) {
    it(`${rule} is the first to match what it is for`, () => {
      expect(outcomeOf(event)).toMatchObject({ ruleId: rule, notify, highlight, sound })
      // The way without shared work gives the same answer.
      const customised = withRule('override', 'never', { conditions: [{ kind: 'unknown' }] })
      expect(outcomeOf(event, customised)).toMatchObject({ ruleId: rule, notify, highlight, sound })
    })
  }

  it('are all of these and the two that are off', () => {
    const ruleset = rulesetOf(ME, NO_USER_RULES)
    const ids = RULE_KINDS.flatMap((kind) => ruleset[kind].map((rule) => rule.rule_id))
    const off = ['.m.rule.master', '.org.matrix.msc4028.encrypted_event']
    expect(ids).toEqual([...off, ...cases.map(([rule]) => rule)])
    expect(
      RULE_KINDS.flatMap((kind) => ruleset[kind].filter((rule) => !rule.enabled).map((rule) => rule.rule_id)),
    ).toEqual(off)
  })

  it('are shown with the id of the user', () => {
    const ruleset = JSON.stringify(rulesetOf(ME, NO_USER_RULES))
    expect(ruleset).toContain(`"pattern":"${ME}"`)
    expect(ruleset).toContain(`"value":"${ME}"`)
    expect(ruleset).not.toContain('own-user-id')
  })

  it('no longer look for names in the text', () => {
    expect(outcomeOf({ content: { body: 'hello me and @room' } }, NO_USER_RULES, 'me')?.ruleId).toBe('.m.rule.message')
  })

  it('do not match a room mention without the power to notify the room', () => {
    const event = { content: { 'm.mentions': { room: true } }, mayNotify: false }
    expect(outcomeOf(event)?.ruleId).toBe('.m.rule.message')
  })

  it('match nothing in an event that nobody thought of', () => {
    expect(outcomeOf({ type: 'org.example.unheard' })).toBeUndefined()
    expect(outcomeOf({ type: 'm.room.tombstone' })).toBeUndefined()
  })

  it('push nothing at all once master is on', () => {
    const user = setEnabled(NO_USER_RULES, 'override', '.m.rule.master', true)
    expect(outcomeOf({ content: { 'm.mentions': { user_ids: [ME] } } }, user)).toMatchObject({
      ruleId: '.m.rule.master',
      notify: false,
    })
  })

  it('push every encrypted event once MSC4028 is on', () => {
    const user = setEnabled(NO_USER_RULES, 'override', '.org.matrix.msc4028.encrypted_event', true)
    expect(outcomeOf(ENCRYPTED, user)).toMatchObject({ ruleId: '.org.matrix.msc4028.encrypted_event', notify: true })
  })

  it('do what the user has changed them to', () => {
    const quiet = setActions(NO_USER_RULES, 'underride', '.m.rule.message', [])
    expect(outcomeOf({}, quiet)).toMatchObject({ ruleId: '.m.rule.message', notify: false })
    expect(outcomeOf({}, setEnabled(NO_USER_RULES, 'underride', '.m.rule.message', false))).toBeUndefined()
  })

  it('answer for each of many recipients of one event', () => {
    const facts = factsOf({ content: { body: 'x', 'm.mentions': { user_ids: [ME] } } })
    const rules = compileRules(NO_USER_RULES)
    const started = performance.now()
    for (let index = 0; index < 10_000; index++) {
      const recipient = { userId: userId(`@user${index}:a.example`), displayName: undefined }
      expect(evaluate(rules, facts, recipient)?.ruleId === '.m.rule.message').toBe(true)
    }
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(evaluate(rules, facts, { userId: ME, displayName: undefined })?.ruleId).toBe('.m.rule.is_user_mention')
  })
})

describe('the kinds of rules', () => {
  const user = (): UserRules => {
    let rules: UserRules = NO_USER_RULES
    const add = (kind: RuleKind, id: string, body: JsonObject = {}): void => {
      rules = putRule(rules, kind, validateRule(kind, id, { actions: [{ set_tweak: 'sound', value: kind }], ...body }))
    }
    add('override', 'o', { conditions: [{ kind: 'event_match', key: 'content.body', pattern: 'tea' }] })
    add('content', 'c', { pattern: 'tea' })
    add('room', ROOM)
    add('sender', OTHER)
    add('underride', 'u')
    return rules
  }

  it('are asked in their order', () => {
    let rules = user()
    const event = { content: { body: 'time for TEA!' } }
    for (const [kind, id] of [
      ['override', 'o'],
      ['content', 'c'],
      ['room', ROOM],
      ['sender', OTHER],
      ['underride', 'u'],
    ] as const) {
      expect(outcomeOf(event, rules)).toMatchObject({ kind, ruleId: id, sound: kind, notify: false })
      rules = setEnabled(rules, kind, id, false)
    }
    expect(outcomeOf(event, rules)?.ruleId).toBe('.m.rule.message')
  })

  it('of one kind are asked from the most important on', () => {
    const first = withRule('content', 'time', { pattern: 'time' })
    const both = putRule(first, 'content', validateRule('content', 'tea', { pattern: 'tea', actions: [] }))
    expect(outcomeOf({ content: { body: "It's time for tea" } }, both)?.ruleId).toBe('tea')
  })

  it('of room and sender are for that room and that sender only', () => {
    expect(outcomeOf({}, withRule('room', '!other:a.example', {}))?.ruleId).toBe('.m.rule.message')
    expect(outcomeOf({}, withRule('sender', ME, {}))?.ruleId).toBe('.m.rule.message')
  })

  it('of content need a text', () => {
    for (const content of [{}, { body: 7 }, { body: null }]) {
      expect(outcomeOf({ content }, withRule('content', 'any', { pattern: '*' }))?.ruleId).toBe('.m.rule.message')
    }
  })
})

describe('a condition', () => {
  const is = (key: string, value: JsonObject[string]): JsonObject => ({ kind: 'event_property_is', key, value })
  const contains = (value: JsonObject[string]): JsonObject => ({
    kind: 'event_property_contains',
    key: 'content.list',
    value,
  })
  const match = (key: string, pattern: string): JsonObject => ({ kind: 'event_match', key, pattern })

  it('event_match compares the whole value as a glob, in any case', () => {
    const topic = (value: JsonObject[string]): Sketch => ({
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: value },
    })
    for (const value of ['Lunch plans', 'LUNCH'])
      expect(matches(match('content.topic', 'lunc?*'), topic(value))).toBe(true)
    for (const value of [' lunch', 'lunc', null, 7, ['lunch']])
      expect(matches(match('content.topic', 'lunc?*'), topic(value))).toBe(false)
    expect(matches(match('content.nothing', '*'), topic('x'))).toBe(false)
    expect(matches(match('type', 'M.ROOM.*'), topic('x'))).toBe(true)
    expect(matches(match('room_id', ROOM), topic('x'))).toBe(true)
    expect(matches(match('sender', OTHER), topic('x'))).toBe(true)
    expect(matches(match('state_key', ''), topic('x'))).toBe(true)
    expect(matches(match('state_key', ''), {})).toBe(false)
  })

  it('event_match finds whole words in content.body', () => {
    const body = (text: string): Sketch => ({ content: { body: text } })
    for (const text of ['An example event.', 'exple', 'An exciting triple-whammy']) {
      expect(matches(match('content.body', 'ex*ple'), body(text)), text).toBe(true)
    }
    for (const text of ['An examples', 'counterexample'])
      expect(matches(match('content.body', 'example'), body(text)), text).toBe(false)
  })

  it('event_match is done with a hostile pattern in no time', () => {
    const rules = compileRules(withRule('content', 'evil', { pattern: '*a*a*a*a*a*a*c' }))
    const facts = factsOf({ content: { body: `${'a'.repeat(64_000)}b` } })
    const started = performance.now()
    evaluate(rules, facts, { userId: ME, displayName: undefined })
    expect(performance.now() - started).toBeLessThan(100)
  })

  it('event_property_is compares without casting', () => {
    const content = { 'm.federate': true, count: 1, name: 'x', nothing: null, object: {}, list: ['x'] }
    expect(matches(is('content.m\\.federate', true), { content })).toBe(true)
    expect(matches(is('content.count', 1), { content })).toBe(true)
    expect(matches(is('content.name', 'x'), { content })).toBe(true)
    expect(matches(is('content.nothing', null), { content })).toBe(true)
    for (const wrong of [
      is('content.m\\.federate', 'true'),
      is('content.m\\.federate', 1),
      is('content.count', '1'),
      is('content.name', 'X'),
      is('content.absent', null),
      is('content.object', {}),
      is('content.list', 'x'),
      is('content.m.federate', true),
    ]) {
      expect(matches(wrong, { content })).toBe(false)
    }
  })

  it('event_property_contains looks for exactly that in a list', () => {
    const content = { list: ['a', 1, true, null, {}, ['b']] }
    for (const value of ['a', 1, true, null]) expect(matches(contains(value), { content })).toBe(true)
    for (const value of ['A', '1', false, 'b', {}]) expect(matches(contains(value), { content })).toBe(false)
    expect(matches(contains('a'), { content: { list: 'a' } })).toBe(false)
  })

  it('contains_display_name finds the name as words, whatever characters it has', () => {
    const finds = (body: string, name?: string): boolean =>
      matches({ kind: 'contains_display_name' }, { content: { body } }, name)
    expect(finds('hello JO!', 'Jo')).toBe(true)
    expect(finds('hello john', 'Jo')).toBe(false)
    expect(finds('john, jo', 'Jo')).toBe(true)
    expect(finds('a * b', '*')).toBe(true)
    expect(finds('anything', '*')).toBe(false)
    expect(finds('anything', '')).toBe(false)
    expect(finds('anything')).toBe(false)
  })

  it('room_member_count compares with what is said', () => {
    const count = (text: JsonObject[string], members: number): boolean =>
      matches({ kind: 'room_member_count', is: text }, { members })
    expect([count('2', 2), count('==2', 2), count('2', 3)]).toEqual([true, true, false])
    expect([count('<2', 1), count('<2', 2), count('>2', 3), count('>2', 2)]).toEqual([true, false, true, false])
    expect([count('<=2', 2), count('<=2', 3), count('>=2', 2), count('>=2', 1)]).toEqual([true, false, true, false])
    for (const wrong of ['', 'two', '=2', '2 ', '-1', 2]) expect(count(wrong, 2), String(wrong)).toBe(false)
  })

  it('sender_notification_permission asks the room', () => {
    expect(matches({ kind: 'sender_notification_permission', key: 'room' }, {})).toBe(true)
    expect(matches({ kind: 'sender_notification_permission', key: 'room' }, { mayNotify: false })).toBe(false)
    expect(matches({ kind: 'sender_notification_permission' }, {})).toBe(false)
  })

  it('that is unknown or lacks something never matches', () => {
    for (const condition of [
      { kind: 'org.example.new' },
      { kind: 'event_match', key: 'type' },
      { kind: 'event_match', pattern: '*' },
      { kind: 'event_property_is', key: 'type' },
      { kind: 'room_member_count' },
    ]) {
      expect(matches(condition, {})).toBe(false)
    }
  })

  it('that does not match spoils its rule', () => {
    const user = withRule('override', 'mine', { conditions: [match('type', '*'), { kind: 'org.example.new' }] })
    expect(outcomeOf({}, user)?.ruleId).toBe('.m.rule.message')
  })

  it('takes dots and backslashes in names by escape', () => {
    const content = { 'a.b': { 'c\\d': 'x' }, 'e\\f': 'y' }
    expect(matches(match('content.a\\.b.c\\\\d', 'x'), { content })).toBe(true)
    expect(matches(match('content.e\\f', 'y'), { content })).toBe(true)
    expect(matches(match('content.a.b.c\\\\d', 'x'), { content })).toBe(false)
    expect(matches(match('content.constructor.name', '*'), { content })).toBe(false)
  })
})

describe('the actions of a rule', () => {
  const outcome = (actions: JsonObject[string][]): PushOutcome | undefined =>
    outcomeOf({}, withRule('override', 'mine', { actions }))

  it('set tweaks, highlight without value too', () => {
    const actions = [
      'notify',
      { set_tweak: 'highlight' },
      { set_tweak: 'sound', value: 'bing' },
      { set_tweak: 'x', value: 1 },
    ]
    expect(outcome(actions)).toMatchObject({ notify: true, highlight: true, sound: 'bing' })
    expect({ ...outcome(actions)?.tweaks }).toEqual({ highlight: true, sound: 'bing', x: 1 })
    expect(outcome([{ set_tweak: 'highlight', value: false }])).toMatchObject({ notify: false, highlight: false })
  })

  it('of the past are kept and do nothing', () => {
    expect(outcome(['dont_notify', 'coalesce'])).toMatchObject({ notify: false, highlight: false })
  })
})
