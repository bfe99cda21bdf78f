import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  authStateFrom,
  creatorsOf,
  levelToNotify,
  levelToSend,
  mayApplyRedaction,
  mayBan,
  mayInvite,
  mayKick,
  mayRedact,
  maySend,
  membershipOf,
  powerLevelOf,
  requiredLevel,
  signingServersOf,
} from '../../../src/protocol/auth/index.js'
import { readLevel } from '../../../src/protocol/auth/power-levels.js'
import type { Pdu } from '../../../src/protocol/event/pdu.js'
import { type JsonObject, LosslessNumber } from '../../../src/protocol/json.js'
import type { RoomVersion } from '../../../src/protocol/room-version.js'
import { aRoomId, createEventId, makePdu, stateOf, versionOf, versionsIn } from '../../support/pdu-factory.js'

const CREATOR = '@creator:a.example'
const MOD = '@mod:a.example'
const BOB = '@bob:b.example'

function event(
  version: RoomVersion,
  type: string,
  stateKey: string | undefined,
  content: JsonObject,
  sender = CREATOR,
): Pdu {
  const eventId = type === 'm.room.create' ? createEventId(version) : `$${type}-${stateKey}:a.example`
  return makePdu({ version, eventId, type, sender, stateKey, content })
}

function room(version: RoomVersion, levels?: JsonObject, createContent: JsonObject = {}): Pdu[] {
  const creator: JsonObject = version.creatorFromSender ? {} : { creator: CREATOR }
  return [
    event(version, 'm.room.create', '', { ...creator, ...createContent }),
    ...(levels ? [event(version, 'm.room.power_levels', '', levels)] : []),
    ...[CREATOR, MOD, BOB].map((user) => event(version, 'm.room.member', user, { membership: 'join' }, user)),
  ]
}

describe('power levels', () => {
  it('without event are 100 for the creator, infinite from version 12 on, and 0 for others', () => {
    for (const version of versionsIn('1-12')) {
      const state = stateOf(room(version))
      expect(powerLevelOf(CREATOR, state)).toBe(version.id === '12' ? Number.POSITIVE_INFINITY : 100)
      expect(powerLevelOf(BOB, state)).toBe(0)
      expect([requiredLevel('invite', state), requiredLevel('kick', state)]).toEqual([0, 50])
      expect([requiredLevel('ban', state), requiredLevel('redact', state)]).toEqual([50, 50])
      expect([levelToSend('m.x', true, state), levelToSend('m.x', false, state)]).toEqual([50, 0])
      expect(levelToNotify('room', state)).toBe(50)
    }
  })

  it('have creators by the rules of each version', () => {
    const content = { creator: '@named:a.example', additional_creators: [BOB, 'nobody', 7] }
    for (const version of versionsIn('1-12')) {
      const creators = [...creatorsOf(event(version, 'm.room.create', '', content))]
      if (version.id === '12') expect(creators).toEqual([CREATOR, BOB])
      else expect(creators).toEqual(version.id === '11' ? [CREATOR] : ['@named:a.example'])
    }
  })

  it('answer what a user may do', () => {
    for (const version of versionsIn('1-12')) {
      const levels = { users: { [MOD]: 50 }, invite: 50, notifications: { room: 20 }, events: { 'm.room.name': 0 } }
      const state = stateOf(room(version, levels))
      expect([mayInvite(MOD, state), mayInvite(BOB, state)]).toEqual([true, false])
      expect([mayKick(MOD, BOB, state), mayKick(BOB, MOD, state), mayKick(MOD, MOD, state)]).toEqual([
        true,
        false,
        false,
      ])
      expect([mayBan(MOD, BOB, state), mayBan(BOB, MOD, state)]).toEqual([true, false])
      expect([mayRedact(MOD, state), mayRedact(BOB, state)]).toEqual([true, false])
      expect([maySend(BOB, 'm.room.name', true, state), maySend(BOB, 'm.room.topic', true, state)]).toEqual([
        true,
        false,
      ])
      expect(maySend('@stranger:b.example', 'm.room.message', false, state)).toBe(false)
      expect(membershipOf('@stranger:b.example', state)).toBe('leave')
      expect(levelToNotify('room', state)).toBe(20)
    }
  })

  it('are read from numbers, and from strings and fractions where the version has them', () => {
    const [v5, v9, v10] = [versionOf('5'), versionOf('9'), versionOf('10')]
    for (const version of [v5, v9, v10]) expect(readLevel(version, -7)).toBe(-7)
    for (const text of ['100', '000100', '+100', ' 100 ', '\t+0100\n']) {
      expect([readLevel(v5, text), readLevel(v9, text), readLevel(v10, text)]).toEqual([100, 100, undefined])
    }
    for (const junk of ['', '1.5', '1e3', '0x10', '1 0', '--1', 'Infinity', '9'.repeat(400), null, true, [], {}]) {
      for (const version of [v5, v9, v10]) expect(readLevel(version, junk), String(junk)).toBeUndefined()
    }
    const read = (value: LosslessNumber | number): (number | undefined)[] =>
      [v5, v9, v10].map((v) => readLevel(v, value))
    expect(read(50.57)).toEqual([50, undefined, undefined])
    expect(read(-0.5)).toEqual([0, undefined, undefined])
    expect(read(new LosslessNumber('5.114698E4'))).toEqual([51146, undefined, undefined])
    expect(read(new LosslessNumber('1e400'))).toEqual([undefined, undefined, undefined])
  })

  it('read any integer written as a string', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.nat(5), (level, zeros) => {
        const text = `${level < 0 ? '-' : '+'}${'0'.repeat(zeros)}${Math.abs(level)}`
        expect(readLevel(versionOf('9'), ` ${text} `)).toBe(level === 0 ? 0 : level)
      }),
    )
  })
})

describe('a redaction', () => {
  const redact = (version: RoomVersion, sender: string, server: string, target: Pdu): Pdu =>
    makePdu({ version, eventId: `$redaction:${server}`, type: 'm.room.redaction', sender, redacts: target.eventId })
  const message = (version: RoomVersion, sender: string, server: string): Pdu =>
    makePdu({ version, eventId: `$message:${server}`, type: 'm.room.message', sender })

  it('takes effect with the redact level', () => {
    for (const version of versionsIn('1-12')) {
      const state = stateOf(room(version, { users: { [MOD]: 50 } }))
      const target = message(version, BOB, 'b.example')
      expect(mayApplyRedaction(redact(version, MOD, 'a.example', target), target, state)).toBe(true)
    }
  })

  it('takes effect within a server: that of the event ids in versions 1 and 2, of the senders later', () => {
    for (const version of versionsIn('1-12')) {
      const state = stateOf(room(version, {}))
      const sameSender = message(version, '@other:b.example', 'x.example')
      const sameId = message(version, MOD, 'b.example')
      expect(mayApplyRedaction(redact(version, BOB, 'b.example', sameSender), sameSender, state)).toBe(
        Number(version.id) > 2,
      )
      expect(mayApplyRedaction(redact(version, BOB, 'b.example', sameId), sameId, state)).toBe(Number(version.id) < 3)
    }
  })

  it('takes no effect on another event, another room or itself', () => {
    for (const version of versionsIn('1-12')) {
      const state = stateOf(room(version, {}))
      const target = message(version, BOB, 'b.example')
      const redaction = redact(version, BOB, 'b.example', target)
      expect(mayApplyRedaction(redaction, { ...target, eventId: createEventId(version) }, state)).toBe(false)
      expect(mayApplyRedaction(redaction, { ...target, roomId: aRoomId('!other:b.example') }, state)).toBe(false)
      expect(mayApplyRedaction({ ...redaction, redacts: redaction.eventId }, redaction, state)).toBe(false)
      expect(mayApplyRedaction({ ...redaction, type: 'm.room.message' }, target, state)).toBe(false)
    }
  })
})

describe('the servers that must have signed', () => {
  it('are that of the sender, and in versions 1 and 2 that of the event id', () => {
    for (const version of versionsIn('1-12')) {
      const message = makePdu({ version, eventId: '$message:c.example', type: 'm.room.message', sender: BOB })
      const expected = Number(version.id) < 3 ? ['b.example', 'c.example'] : ['b.example']
      expect([...(signingServersOf(message) ?? [])]).toEqual(expected)
    }
  })

  it('are that of the authorising user too, from version 8 on', () => {
    const join = (version: RoomVersion, via: string): Pdu =>
      makePdu({
        version,
        eventId: '$join:b.example',
        type: 'm.room.member',
        sender: BOB,
        stateKey: BOB,
        content: { membership: 'join', join_authorised_via_users_server: via },
      })
    for (const version of versionsIn('1-12')) {
      expect(signingServersOf(join(version, MOD))?.has('a.example' as never)).toBe(version.restrictedJoins)
      expect(signingServersOf(join(version, 'nobody')) === undefined).toBe(version.restrictedJoins)
    }
  })

  it('are not that of the sender of a third party invite', () => {
    const content = { membership: 'invite', third_party_invite: {} }
    const invite = makePdu({
      version: versionOf('12'),
      eventId: '$invite',
      type: 'm.room.member',
      sender: MOD,
      stateKey: BOB,
      content,
    })
    expect(signingServersOf(invite)?.size).toBe(0)
  })
})

it('a state made of auth events has the create event that version 12 does not list', () => {
  const version = versionOf('12')
  const [create, ...others] = room(version)
  const state = authStateFrom(others, create)
  expect(state.get('m.room.create', '')).toBe(create)
  expect(state.get('m.room.member', BOB)?.stateKey).toBe(BOB)
})
