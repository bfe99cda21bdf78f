import { describe, expect, test } from 'vitest'
import { checkHashes } from '../../../src/protocol/event/check-hashes.js'
import { eventIdIn, parsePdu } from '../../../src/protocol/event/parse-pdu.js'
import { redactContent, redactJson, redactPdu } from '../../../src/protocol/event/redact.js'
import { parseJsonObject } from '../../../src/protocol/json.js'
import type { RoomVersion } from '../../../src/protocol/room-version.js'
import { ALICE, ALL_VERSIONS, accepted, build, changed, eventId, objectOf, version } from './support.js'

const versions = ALL_VERSIONS.map((room) => [room.id, room] as const)
const all = (...keys: string[]): Record<string, number> => Object.fromEntries(keys.map((key, index) => [key, index]))
const kept = (room: RoomVersion, type: string, ...keys: string[]): string[] =>
  Object.keys(redactContent(room, type, all(...keys, 'other'))).sort()

describe.each(versions)('redaction in version %s', (id, room) => {
  const number = Number(id)

  test('top level', () => {
    const common = [
      'event_id',
      'type',
      'room_id',
      'sender',
      'state_key',
      'content',
      'hashes',
      'signatures',
      'depth',
      'prev_events',
      'auth_events',
      'origin_server_ts',
    ]
    const old = ['prev_state', 'origin', 'membership']
    const event = all(...common, ...old, 'unsigned', 'redacts', 'other', '__proto__x')
    expect(Object.keys(redactJson(room, event)).sort()).toEqual([...common, ...(number < 11 ? old : [])].sort())
  })

  test('content by type', () => {
    const levels = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']
    expect(kept(room, 'm.room.message', 'body')).toEqual([])
    expect(kept(room, 'm.room.create', 'creator', 'room_version')).toEqual(
      number < 11 ? ['creator'] : ['creator', 'other', 'room_version'],
    )
    expect(kept(room, 'm.room.join_rules', 'join_rule', 'allow')).toEqual(
      number < 8 ? ['join_rule'] : ['allow', 'join_rule'],
    )
    expect(kept(room, 'm.room.power_levels', ...levels, 'invite', 'notifications')).toEqual(
      [...levels, ...(number < 11 ? [] : ['invite'])].sort(),
    )
    expect(kept(room, 'm.room.history_visibility', 'history_visibility')).toEqual(['history_visibility'])
    expect(kept(room, 'm.room.aliases', 'aliases')).toEqual(number < 6 ? ['aliases'] : [])
    expect(kept(room, 'm.room.redaction', 'redacts', 'reason')).toEqual(number < 11 ? [] : ['redacts'])
    expect(kept(room, 'm.room.topic', 'topic')).toEqual([])
    expect(kept(room, 'constructor', 'constructor')).toEqual([])
  })

  test('memberships', () => {
    const content = {
      membership: 'join',
      displayname: 'x',
      join_authorised_via_users_server: '@b:c',
      third_party_invite: { display_name: 'd', signed: { mxid: ALICE } },
    }
    expect({ ...redactContent(room, 'm.room.member', content) }).toEqual({
      membership: 'join',
      ...(number < 9 ? {} : { join_authorised_via_users_server: '@b:c' }),
      ...(number < 11 ? {} : { third_party_invite: { signed: { mxid: ALICE } } }),
    })
    expect(Object.keys(redactContent(room, 'm.room.member', { third_party_invite: 5 }))).toEqual([])
  })

  test('leaves the event id as it is, and can be repeated', () => {
    const pdu = build(room, {
      type: 'm.room.member',
      stateKey: ALICE,
      content: { membership: 'join', displayname: 'x' },
    })
    const redacted = redactPdu(pdu)
    expect(eventIdIn(room, objectOf(redacted))).toBe(pdu.eventId)
    expect(accepted(parsePdu(room, redacted.json))).toEqual(redacted)
    expect(redactPdu(redacted)).toEqual(redacted)
    expect(redacted.content).toEqual({ membership: 'join' })
  })
})

describe('content hashes', () => {
  test.each(versions)('version %s: changed content is redacted, the event goes on', (_, room) => {
    const pdu = build(room, {
      type: 'm.room.member',
      stateKey: ALICE,
      content: { membership: 'join', displayname: 'x' },
    })
    const forged = accepted(parsePdu(room, changed(pdu, { content: { membership: 'join', displayname: 'evil' } })))
    const checked = checkHashes(forged)
    expect(checked.redacted).toBe(true)
    expect(checked.pdu.content).toEqual({ membership: 'join' })
    expect(checked.pdu.eventId).toBe(pdu.eventId)
  })

  test('a key added at the top is redacted away', () => {
    const pdu = build(version('10'))
    const forged = accepted(parsePdu(version('10'), changed(pdu, { extra: 1 })))
    expect(checkHashes(forged)).toMatchObject({ redacted: true, pdu: { json: redactPdu(pdu).json } })
  })

  test.each(['', 'AAAA', '*'])('a hash that is %j is wrong, not an error', (sha256) => {
    const forged = accepted(parsePdu(version('10'), changed(build(version('10')), { hashes: { sha256 } })))
    expect(checkHashes(forged).redacted).toBe(true)
  })

  test('padding and the other alphabet do not make a hash wrong', () => {
    const pdu = build(version('10'), { content: { body: '1' } })
    const { sha256 } = parseJsonObject(JSON.stringify(objectOf(pdu).hashes))
    const written = `${String(sha256).replaceAll('+', '-').replaceAll('/', '_')}=`
    expect(checkHashes(accepted(parsePdu(version('10'), changed(pdu, { hashes: { sha256: written } })))).redacted).toBe(
      false,
    )
  })
})

test('a redacted redaction names its target only where the version keeps it', () => {
  const draft = { type: 'm.room.redaction', content: { reason: 'r' }, redacts: eventId('$t') }
  expect(redactPdu(build(version('10'), draft)).redacts).toBeUndefined()
  expect(redactPdu(build(version('11'), draft)).redacts).toBe('$t')
})
