import { describe, expect, test } from 'vitest'
import * as read from '../../../src/protocol/event/content.js'
import { type JsonValue, parseJsonObject } from '../../../src/protocol/json.js'

const WRONG: readonly JsonValue[] = [null, 5, true, '', [], {}, [1], { a: 1 }, 'x']

describe('values of a wrong type are as good as absent', () => {
  test.each(WRONG.map((value) => [JSON.stringify(value), value] as const))('%s', (_, value) => {
    expect(read.membershipIn({ membership: value })).toBeUndefined()
    expect(read.historyVisibilityIn({ history_visibility: value })).toBe('shared')
    expect(read.guestAccessIn({ guest_access: value })).toBe('forbidden')
    expect(read.allowedRoomsIn({ allow: value })).toEqual([])
    expect(read.relationIn({ 'm.relates_to': value })).toBeUndefined()
    expect(read.replyTargetIn({ 'm.relates_to': { 'm.in_reply_to': value } })).toBeUndefined()
    expect(read.thirdPartyInviteIn({ third_party_invite: { signed: value } })).toBeUndefined()
    expect(read.canonicalAliasIn({ alias: value, alt_aliases: value })).toEqual({ alias: undefined, altAliases: [] })
    expect(read.creationIn({ predecessor: value, 'm.federate': value }).predecessor).toBeUndefined()
    expect(read.mentionsIn({ 'm.mentions': { user_ids: value, room: 'true' } })).toEqual({ userIds: [], room: false })
  })
})

test('defaults of a room without the event', () => {
  expect(read.joinRuleIn(undefined)).toBe('invite')
  expect(read.historyVisibilityIn(undefined)).toBe('shared')
  expect(read.guestAccessIn(undefined)).toBe('forbidden')
  expect(read.creationIn({})).toEqual({ roomVersion: '1', roomType: undefined, federate: true, predecessor: undefined })
})

test('members of a prototype are never found', () => {
  expect(read.joinRuleIn(parseJsonObject('{"__proto__":{"join_rule":"public"}}'))).toBe('invite')
  expect(read.membershipIn({ membership: 'constructor' })).toBeUndefined()
})

test('what is well-formed is read', () => {
  expect(read.membershipIn({ membership: 'knock' })).toBe('knock')
  expect(read.memberProfileIn({ displayname: 'A', avatar_url: '' })).toEqual({ displayName: 'A', avatarUrl: undefined })
  expect(
    read.allowedRoomsIn({ allow: [{ type: 'm.room_membership', room_id: '!a:b' }, { type: 'x', room_id: '!c:d' }, 5] }),
  ).toEqual(['!a:b'])
  expect(
    read.creationIn({ room_version: '11', type: 'm.space', 'm.federate': false, predecessor: { room_id: '!a:b' } }),
  ).toEqual({
    roomVersion: '11',
    roomType: 'm.space',
    federate: false,
    predecessor: '!a:b',
  })
  const signed = { mxid: '@a:b', token: 't', signatures: {} }
  expect(read.thirdPartyInviteIn({ third_party_invite: { display_name: 'd', signed } })).toEqual({
    displayName: 'd',
    userId: '@a:b',
    token: 't',
    signed,
  })
  const thread = { rel_type: 'm.thread', event_id: '$root', 'm.in_reply_to': { event_id: '$last' } }
  expect(read.relationIn({ 'm.relates_to': thread })).toEqual({ relType: 'm.thread', eventId: '$root', key: undefined })
  expect(read.threadRootIn({ 'm.relates_to': thread })).toBe('$root')
  expect(read.replyTargetIn({ 'm.relates_to': thread })).toBe('$last')
  expect(read.threadRootIn({ 'm.relates_to': { rel_type: 'm.annotation', event_id: '$e', key: '👍' } })).toBeUndefined()
  expect(read.mentionsIn({})).toBeUndefined()
  expect(read.mentionsIn({ 'm.mentions': { user_ids: ['@a:b', 5, 'x'], room: true } })).toEqual({
    userIds: ['@a:b'],
    room: true,
  })
  expect(read.canonicalAliasIn({ alias: '#a:b', alt_aliases: ['#c:d', 'x'] })).toEqual({
    alias: '#a:b',
    altAliases: ['#c:d'],
  })
  expect([read.roomNameIn({ name: '' }), read.topicIn({ topic: 't' }), read.avatarUrlIn({ url: 'mxc://a/b' })]).toEqual(
    [undefined, 't', 'mxc://a/b'],
  )
  expect(read.encryptionAlgorithmIn({ algorithm: 'm.megolm.v1.aes-sha2' })).toBe('m.megolm.v1.aes-sha2')
  expect([read.containsUrl({ url: 5 }), read.containsUrl({})]).toEqual([true, false])
})
