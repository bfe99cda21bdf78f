import { describe, expect, it } from 'vitest'
import { authTypesFor, checkAuthEvents } from '../../../src/protocol/auth/index.js'
import type { Pdu } from '../../../src/protocol/event/pdu.js'
import type { JsonObject } from '../../../src/protocol/json.js'
import type { RoomVersion } from '../../../src/protocol/room-version.js'
import { createEventId, makePdu, versionOf, versionsIn } from '../../support/pdu-factory.js'

const ALICE = '@alice:a.example'
const BOB = '@bob:b.example'
const MOD = '@mod:a.example'

function member(version: RoomVersion, content: JsonObject, sender = ALICE, stateKey = BOB): Pdu {
  return makePdu({ version, eventId: '$event', type: 'm.room.member', sender, stateKey, content })
}

function stateEvent(version: RoomVersion, type: string, stateKey: string, roomId?: string): Pdu {
  const eventId = type === 'm.room.create' ? createEventId(version) : `$${type}-${stateKey}`
  return makePdu({ version, eventId, type, sender: ALICE, stateKey, roomId })
}

function keysFor(event: Pdu): string[] {
  return authTypesFor(event).map(([type, stateKey]) => `${type} ${stateKey}`.trim())
}

const noneRejected = (): boolean => false

describe('the selection of auth events', () => {
  it('is nothing for a create event', () => {
    for (const version of versionsIn('1-12')) expect(keysFor(stateEvent(version, 'm.room.create', ''))).toEqual([])
  })

  it('is create, power levels and the sender for any event, without create from version 12 on', () => {
    for (const version of versionsIn('1-12')) {
      const message = makePdu({ version, eventId: '$event', type: 'm.room.message', sender: ALICE })
      const expected = ['m.room.power_levels', `m.room.member ${ALICE}`]
      expect(keysFor(message)).toEqual(version.id === '12' ? expected : ['m.room.create', ...expected])
    }
  })

  it('has the target of a membership once, and join rules where they matter', () => {
    const version = versionOf('12')
    const base = ['m.room.power_levels', `m.room.member ${ALICE}`]
    expect(keysFor(member(version, { membership: 'leave' }))).toEqual([...base, `m.room.member ${BOB}`])
    expect(keysFor(member(version, { membership: 'ban' }))).toEqual([...base, `m.room.member ${BOB}`])
    expect(keysFor(member(version, { membership: 'invite' }))).toEqual([
      ...base,
      `m.room.member ${BOB}`,
      'm.room.join_rules',
    ])
    expect(keysFor(member(version, { membership: 'knock' }, ALICE, ALICE))).toEqual([...base, 'm.room.join_rules'])
    expect(keysFor(member(version, { membership: 'join' }, ALICE, ALICE))).toEqual([...base, 'm.room.join_rules'])
  })

  it('has the third party invite of an invite', () => {
    const invite = { membership: 'invite', third_party_invite: { signed: { token: 'T' } } }
    for (const version of versionsIn('1-12')) {
      expect(keysFor(member(version, invite))).toContain('m.room.third_party_invite T')
      expect(keysFor(member(version, { ...invite, membership: 'join' }))).not.toContain('m.room.third_party_invite T')
      expect(
        keysFor(member(version, { membership: 'invite', third_party_invite: { signed: { token: 1 } } })),
      ).toHaveLength(version.id === '12' ? 4 : 5)
    }
  })

  it('has the member who authorised a join, from version 8 on', () => {
    const join = { membership: 'join', join_authorised_via_users_server: MOD }
    for (const version of versionsIn('1-12')) {
      const keys = keysFor(member(version, join, BOB, BOB))
      expect(keys.includes(`m.room.member ${MOD}`), version.id).toBe(version.restrictedJoins)
    }
  })
})

describe('the rule about auth events', () => {
  const listOf = (version: RoomVersion): Pdu[] => [
    ...(version.id === '12' ? [] : [stateEvent(version, 'm.room.create', '')]),
    stateEvent(version, 'm.room.power_levels', ''),
    stateEvent(version, 'm.room.member', ALICE),
  ]
  const check = (version: RoomVersion, list: Pdu[], wasRejected = noneRejected as (event: Pdu) => boolean): string => {
    const message = makePdu({ version, eventId: '$event', type: 'm.room.message', sender: ALICE })
    const verdict = checkAuthEvents(message, list, wasRejected)
    return verdict.allowed ? 'allowed' : verdict.rule
  }
  const first = (version: RoomVersion): number => (version.id === '12' ? 3 : 2)

  it('allows what is to be selected, or a part of it', () => {
    for (const version of versionsIn('1-12')) {
      expect(check(version, listOf(version))).toBe('allowed')
      expect(check(version, listOf(version).slice(0, -1))).toBe('allowed')
    }
  })

  it('refuses two of the same type and state key', () => {
    for (const version of versionsIn('1-12')) {
      const other = makePdu({ version, eventId: '$other', type: 'm.room.power_levels', sender: ALICE, stateKey: '' })
      expect(check(version, [...listOf(version), other])).toBe(`${first(version)}.1`)
    }
  })

  it('refuses what is not to be selected', () => {
    for (const version of versionsIn('1-12')) {
      const topic = stateEvent(version, 'm.room.topic', '')
      const message = makePdu({ version, eventId: '$message', type: 'm.room.message', sender: ALICE })
      expect(check(version, [...listOf(version), topic])).toBe(`${first(version)}.2`)
      expect(check(version, [...listOf(version), message])).toBe(`${first(version)}.2`)
      expect(check(version, [...listOf(version), stateEvent(version, 'm.room.join_rules', '')])).toBe(
        `${first(version)}.2`,
      )
    }
  })

  it('refuses what was rejected', () => {
    for (const version of versionsIn('1-12')) {
      expect(check(version, listOf(version), (event) => event.type === 'm.room.member')).toBe(`${first(version)}.3`)
    }
  })

  it('refuses a list without create event before version 12, and one with it from then on', () => {
    for (const version of versionsIn('1-11')) expect(check(version, listOf(version).slice(1))).toBe('2.4')
    const version = versionOf('12')
    expect(check(version, [stateEvent(version, 'm.room.create', ''), ...listOf(version)])).toBe('3.2')
  })

  it('refuses events of another room', () => {
    for (const version of versionsIn('1-12')) {
      const list = [...listOf(version).slice(0, -1), stateEvent(version, 'm.room.member', ALICE, '!other:b.example')]
      expect(check(version, list)).toBe(version.id === '12' ? '3.4' : '2.5')
    }
  })

  it('is not asked of a create event', () => {
    for (const version of versionsIn('1-12')) {
      const topic = stateEvent(version, 'm.room.topic', '')
      expect(checkAuthEvents(stateEvent(version, 'm.room.create', ''), [topic], noneRejected).allowed).toBe(true)
    }
  })
})
