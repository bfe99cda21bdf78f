import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type AuthVerdict, checkAuth } from '../../../src/protocol/auth/index.js'
import type { Pdu } from '../../../src/protocol/event/pdu.js'
import { type JsonObject, type JsonValue, parseJson } from '../../../src/protocol/json.js'
import type { RoomVersion } from '../../../src/protocol/room-version.js'
import { createEventId, makePdu, stateOf, versionsIn } from '../../support/pdu-factory.js'

/**
 * Scenarios of `test/fixtures/auth`: an event in a small room, in each version that `versions` names. `refused` is the
 * number of the rule that has to refuse it, one for all versions or by version; without it the event is allowed.
 */
interface Scenario {
  readonly name: string
  readonly versions: string
  readonly state?: StateSketch
  readonly event: EventSketch
  readonly refused?: string | Record<string, string>
}

/** Null takes out what a room usually has: its creator's join, power levels, the join rule `invite`. */
interface StateSketch {
  readonly withoutCreate?: boolean
  readonly create?: JsonObject
  readonly members?: Record<string, string | null>
  readonly joinRule?: JsonValue
  readonly levels?: JsonObject | null
  readonly thirdPartyInvite?: { sender: string; content: JsonObject }
}

interface EventSketch {
  readonly id?: string
  readonly type: string
  readonly sender: string
  readonly key?: string
  readonly content?: JsonObject
  readonly prev?: readonly string[]
  readonly redacts?: string
  readonly room?: string
}

const CREATOR = '@creator:a.example'
const folder = new URL('../../fixtures/auth/', import.meta.url)

function readScenarios(file: string): { rule: string; cases: Scenario[] } {
  return parseJson(readFileSync(new URL(file, folder))) as unknown as { rule: string; cases: Scenario[] }
}

function roomOf(version: RoomVersion, sketch: StateSketch): Pdu[] {
  const event = (type: string, stateKey: string, content: JsonObject, sender = CREATOR): Pdu =>
    makePdu({ version, eventId: `$${type}-${stateKey}`, type, stateKey, sender, content, prevEvents: ['$before'] })
  const state: Pdu[] = []
  if (!sketch.withoutCreate) {
    const content = { ...(version.creatorFromSender ? {} : { creator: CREATOR }), ...sketch.create }
    state.push(
      makePdu({
        version,
        eventId: createEventId(version),
        type: 'm.room.create',
        stateKey: '',
        sender: CREATOR,
        content,
      }),
    )
  }
  for (const [user, membership] of Object.entries({ [CREATOR]: 'join', ...sketch.members })) {
    if (membership !== null) state.push(event('m.room.member', user, { membership }, user))
  }
  const joinRule = sketch.joinRule === undefined ? 'invite' : sketch.joinRule
  if (joinRule !== null) state.push(event('m.room.join_rules', '', { join_rule: joinRule }))
  if (sketch.levels !== null) state.push(event('m.room.power_levels', '', levelsOf(version, sketch.levels ?? {})))
  const invite = sketch.thirdPartyInvite
  if (invite) state.push(event('m.room.third_party_invite', 'token', invite.content, invite.sender))
  return state
}

/** With a creator and a moderator, unless the scenario has users of its own. */
function levelsOf(version: RoomVersion, levels: JsonObject): JsonObject {
  const creator: JsonObject = version.privilegedCreators ? {} : { [CREATOR]: 100 }
  return { users: { ...creator, '@mod:a.example': 50 }, ...levels }
}

function eventOf(version: RoomVersion, sketch: EventSketch): Pdu {
  return makePdu({
    version,
    eventId: sketch.id ?? '$event:a.example',
    type: sketch.type,
    sender: sketch.sender,
    stateKey: sketch.key,
    content: sketch.content ?? {},
    prevEvents: (sketch.prev ?? ['$latest:a.example']).map((id) => (id === 'create' ? createEventId(version) : id)),
    redacts: sketch.redacts,
    roomId: sketch.room,
  })
}

function refusalIn(version: RoomVersion, refused: Scenario['refused']): string | undefined {
  if (refused === undefined || typeof refused === 'string') return refused
  return Object.entries(refused).find(([range]) => versionsIn(range).includes(version))?.[1]
}

function outcome(verdict: AuthVerdict): string | undefined {
  return verdict.allowed ? undefined : verdict.rule
}

const files = readdirSync(folder).map(readScenarios)
const refusedBy = new Map<string, Set<string>>()
const allowedIn = new Set<string>()

for (const { rule, cases } of files) {
  describe(rule, () => {
    for (const scenario of cases) {
      it(`${scenario.name} (versions ${scenario.versions})`, () => {
        for (const version of versionsIn(scenario.versions)) {
          const state = stateOf(roomOf(version, scenario.state ?? {}))
          const verdict = checkAuth(eventOf(version, scenario.event), state)
          const expected = refusalIn(version, scenario.refused)
          expect(outcome(verdict), `version ${version.id}`).toBe(expected)
          if (expected === undefined) allowedIn.add(`${rule} ${version.id}`)
          else refusedBy.set(version.id, (refusedBy.get(version.id) ?? new Set()).add(expected))
        }
      })
    }
  })
}

/** Every rule that can refuse, of the page of each version, without those about the list of auth events. */
function refusingRules(version: RoomVersion): string[] {
  const id = Number(version.id)
  const sub = (rule: string, ...numbers: (number | string)[]): string[] => numbers.map((number) => `${rule}.${number}`)
  const shift = id <= 5 || id === 12 ? 1 : 0
  const member = String(4 + shift)
  const first = id >= 8 ? 3 : 2
  const levels = `${9 + shift}`
  const compare = id === 12 ? 6 : id >= 10 ? 5 : 3
  return [
    ...sub('1', 1, 2, 3, ...(id === 11 ? [] : [4])),
    ...(id === 12 ? ['2', '4'] : ['2.4', '2.5', '3']),
    ...(id <= 5 ? ['4.1', '4.2'] : []),
    ...sub(member, 1),
    ...sub(`${member}.${first}`, 2, 3, ...(id >= 8 ? ['5.2', 7] : [6])),
    ...sub(`${member}.${first + 1}`, '1.1', '1.2', '1.3', '1.4', '1.5', '1.6', '1.8', 2, 3, 5),
    ...sub(`${member}.${first + 2}`, 1, 2, 3, 5),
    ...sub(`${member}.${first + 3}`, 1, 3),
    ...(id >= 7 ? sub(`${member}.${first + 4}`, 1, 2, 4) : []),
    ...sub(member, first + (id >= 7 ? 5 : 4)),
    ...[5, 7, 8].map((rule) => String(rule + shift)),
    `${6 + shift}.1`,
    ...sub(levels, ...(id === 12 ? [1, 2, 3, 4] : id >= 10 ? [1, 2, 3] : [1])),
    ...sub(`${levels}.${compare}`, 1, 2),
    ...[1, 2, 3, 4].map((step) => `${levels}.${compare + step}.1`),
    ...(id <= 2 ? ['11.3'] : []),
  ]
}

describe('the scenarios', () => {
  it('have each rule of each version refuse something, and no other', () => {
    for (const version of versionsIn('1-12')) {
      expect([...(refusedBy.get(version.id) ?? [])].sort(), `version ${version.id}`).toEqual(
        refusingRules(version).sort(),
      )
    }
  })

  it('have each kind of event allowed in each version', () => {
    for (const { rule } of files) {
      for (const version of versionsIn('1-12')) expect(allowedIn).toContain(`${rule} ${version.id}`)
    }
  })
})
