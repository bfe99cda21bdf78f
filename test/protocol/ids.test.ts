import { describe, expect, test } from 'vitest'
import {
  createEventIdOf,
  deviceId,
  fitsBytes,
  isCompliantUserId,
  isIpLiteral,
  isNamespacedId,
  isOpaqueId,
  isValidLocalpart,
  localpartOf,
  parseEventId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  roomAliasOf,
  roomIdOfCreateEvent,
  serverNameOf,
  splitServerName,
  userIdOf,
} from '../../src/protocol/ids.js'

const HASH = 'Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

describe('server names', () => {
  test.each([
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    'localhost',
    'localhost:8448',
    'MATRIX.org',
    'a-b.c',
    '[::1]',
    '[::]',
    '[::ffff:1.2.3.4]',
    '[1:2:3:4:5:6:7:8]',
    '[1:2:3:4:5:6:1.2.3.4]',
    '1.2.3.4.5',
    'example.com:0',
    'example.com:65535',
  ])('%s is one', (name) => {
    expect(parseServerName(name)).toBe(name)
  })

  test.each([
    '',
    ':80',
    'a:',
    'a:b',
    'a:123456',
    'a:65536',
    'a:-1',
    'a:80:80',
    'a b',
    'a_b',
    'ex ample.com',
    'exämple.com',
    'a/b',
    'a\0',
    '256.1.1.1',
    '1.2.3.999',
    '[::1',
    '::1',
    '[::1]x',
    '[]',
    '[1]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1::2::3]',
    '[12345::]',
    '[fe80::1%eth0]',
    '[::1.2.3.4.5]',
    '[1.2.3.4::]',
    '[:1:2:3:4:5:6:7]',
    'a\nb',
    `${'a'.repeat(250)}:12345`,
  ])('%j is none', (name) => {
    expect(parseServerName(name)).toBeUndefined()
  })

  test('host and port are told apart', () => {
    expect(splitServerName('[::1]:80')).toEqual({ host: '[::1]', port: 80 })
    expect(splitServerName('example.com')).toEqual({ host: 'example.com', port: undefined })
    expect(['[::1]', '1.2.3.4', 'one.example'].map(isIpLiteral)).toEqual([true, true, false])
  })
})

describe('user ids', () => {
  test.each(['@a:b', '@:b', '@Ünïcode:matrix.org', '@a b:c', '@A:c:80', '@a/b=c+d:[::1]:80', '@\u0001:c'])(
    '%j of another server is accepted',
    (id) => {
      expect(parseUserId(id)).toBe(id)
    },
  )

  test.each([
    '',
    '@',
    '@a',
    'a:b',
    '#a:b',
    '@a:',
    '@a:b_c',
    '@a\0:b',
    '@a:b:c:d',
    `@${'a'.repeat(252)}:bc`,
    `@${'é'.repeat(127)}:b`,
  ])('%j is no user id', (id) => {
    expect(parseUserId(id)).toBeUndefined()
  })

  test('the limit is 255 bytes, not characters', () => {
    expect(parseUserId(`@${'a'.repeat(252)}:b`)).toBeDefined()
    expect(parseUserId(`@${'é'.repeat(126)}:b`)).toBeDefined()
    expect(fitsBytes('é'.repeat(127), 254)).toBe(true)
    expect(fitsBytes('é'.repeat(128), 255)).toBe(false)
  })

  test('new accounts get lower-case ASCII only', () => {
    expect(['alice', 'a.b_c=d-e/f+g', '0'].every(isValidLocalpart)).toBe(true)
    expect(['', 'Alice', 'ä', 'a b', 'a:b', 'a\n', 'a*'].some(isValidLocalpart)).toBe(false)
  })

  test('ids that must stay within events are known', () => {
    const compliant = ['@a:b', '@A!:b', '@:b', '@é:b', '@a b:b']
      .map((id) => parseUserId(id))
      .map((id) => id && isCompliantUserId(id))
    expect(compliant).toEqual([true, true, false, false, false])
  })

  test('parts and whole', () => {
    const id = parseUserId('@a:example.com:80')
    const server = id && serverNameOf(id)
    expect(id && localpartOf(id)).toBe('a')
    expect(server).toBe('example.com:80')
    expect(server && userIdOf('a', server)).toBe(id)
  })
})

describe('room, event and other ids', () => {
  test('a room id has a server, or is the hash of its create event', () => {
    expect(parseRoomId('!abc:example.org')).toBeDefined()
    expect(parseRoomId('!:example.org')).toBeDefined()
    expect(parseRoomId(`!${HASH}`)).toBe(`!${HASH}`)
    for (const id of ['!abc', '!', `!${HASH}x`, `!${HASH.slice(1)}/`, '#a:b', '!a\0:b', `$${HASH}`]) {
      expect(parseRoomId(id)).toBeUndefined()
    }
  })

  test('the id of a room of version 12 and that of its create event are one', () => {
    const eventId = parseEventId(`$${HASH}`)
    const roomId = eventId && roomIdOfCreateEvent(eventId)
    expect(roomId).toBe(`!${HASH}`)
    expect(roomId && createEventIdOf(roomId)).toBe(eventId)
    const old = parseRoomId('!abc:example.org')
    expect(old && createEventIdOf(old)).toBeUndefined()
    expect(roomId && serverNameOf(roomId)).toBeUndefined()
    expect(old && serverNameOf(old)).toBe('example.org')
  })

  test('event ids are opaque', () => {
    for (const id of ['$a:b', '$a/b+c', `$${HASH}`, '$ ']) expect(parseEventId(id)).toBe(id)
    for (const id of ['', '$', 'a', '$a\0', `$${'a'.repeat(255)}`]) expect(parseEventId(id)).toBeUndefined()
    const broken = parseEventId('$a:b c')
    expect(broken && serverNameOf(broken)).toBeUndefined()
  })

  test('aliases', () => {
    const server = parseServerName('b')
    expect(parseRoomAlias('#a b:b')).toBe('#a b:b')
    expect(parseRoomAlias('#a')).toBeUndefined()
    expect(server && roomAliasOf('room', server)).toBe('#room:b')
    expect(server && roomAliasOf('a:b', server)).toBeUndefined()
    expect(server && roomAliasOf('', server)).toBeUndefined()
    expect(server && roomAliasOf('é'.repeat(127), server)).toBeUndefined()
  })

  test('device ids, opaque ids and namespaced names', () => {
    expect([deviceId('ABC'), deviceId(''), deviceId('a'.repeat(256))]).toEqual(['ABC', undefined, undefined])
    expect([isOpaqueId('a.B_c~0-'), isOpaqueId(''), isOpaqueId('a b'), isOpaqueId('a'.repeat(256))]).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect([
      isNamespacedId('m.tz'),
      isNamespacedId('M.tz'),
      isNamespacedId('1a'),
      isNamespacedId('a'.repeat(256)),
    ]).toEqual([true, false, false, false])
  })
})
