import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildEvent } from '../../../src/protocol/event/build.js'
import { checkHashes } from '../../../src/protocol/event/check-hashes.js'
import { eventSignatures, signPdu } from '../../../src/protocol/event/event-signatures.js'
import { referenceHash } from '../../../src/protocol/event/hashes.js'
import { parsePdu } from '../../../src/protocol/event/parse-pdu.js'
import { readStoredPdu } from '../../../src/protocol/event/read-pdu.js'
import { parseServerName } from '../../../src/protocol/ids.js'
import { canonicalJson, type JsonValue, parseJsonObject, stringifyJson } from '../../../src/protocol/json.js'
import { MatrixError } from '../../../src/protocol/matrix-error.js'
import { signingKeyOf, verifyKeyOf, verifyText } from '../../../src/protocol/signing.js'
import { SPEC_KEY } from '../../support/spec-key.js'
import {
  ALICE,
  ALL_VERSIONS,
  build,
  eventId,
  given,
  hashAndSign,
  objectOf,
  reparse,
  SERVER,
  SIGNER,
  signatureOf,
  version,
} from './support.js'

function errcode(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    if (error instanceof MatrixError) return error.errcode
    throw error
  }
  return 'accepted'
}

describe("the specification's vectors for signed events", () => {
  test('a minimal event', () => {
    const event = parseJsonObject(
      '{"room_id":"!x:domain","sender":"@a:domain","origin":"domain","origin_server_ts":1000000,"signatures":{},"hashes":{},"type":"X","content":{},"prev_events":[],"auth_events":[],"depth":3,"unsigned":{"age_ts":1000000}}',
    )
    const signed = hashAndSign(version('1'), event)
    expect(signed.hashes).toEqual({ sha256: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos' })
    expect(signatureOf(signed)).toBe(
      'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
    )
  })

  test('an event with content that is redacted', () => {
    const event = parseJsonObject(
      '{"content":{"body":"Here is the message content"},"event_id":"$0:domain","origin":"domain","origin_server_ts":1000000,"type":"m.room.message","room_id":"!r:domain","sender":"@u:domain","signatures":{},"unsigned":{"age_ts":1000000}}',
    )
    const signed = hashAndSign(version('1'), event)
    expect(signed.hashes).toEqual({ sha256: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g' })
    expect(signatureOf(signed)).toBe(
      'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
    )
  })
})

describe.each(ALL_VERSIONS.map((room) => [room.id, room] as const))('an event built for version %s', (id, room) => {
  const drafts = [
    { content: { body: 'é😀\u0000', n: 1 } },
    { type: 'm.room.topic', stateKey: '', content: { topic: 't' } },
    {
      type: 'm.room.member',
      stateKey: ALICE,
      content: { membership: 'join', displayname: 'A', third_party_invite: { signed: {} } },
    },
    { type: 'm.room.redaction', content: { reason: 'r' }, redacts: eventId('$target:domain') },
    { type: 'm.room.power_levels', stateKey: '', content: { users: { [ALICE]: 100 }, invite: 5, other: 1 } },
    { type: '__proto__', stateKey: 'constructor', content: parseJsonObject('{"__proto__":{"a":1},"10":1,"9":2}') },
  ]

  test.each(drafts.map((draft) => [draft.type ?? 'message', draft] as const))(
    'is canonical, and is itself when it is received: %s',
    (_, draft) => {
      const pdu = build(room, draft)
      expect(pdu.json).toBe(canonicalJson(objectOf(pdu)))
      expect(reparse(pdu)).toEqual(pdu)
      expect(readStoredPdu(room, pdu, pdu.json)).toEqual(pdu)
      expect(checkHashes(pdu)).toEqual({ pdu, redacted: false })
    },
  )

  test.each(drafts.map((draft) => [draft.type ?? 'message', draft] as const))(
    'is hashed and signed as the algorithm says, step by step: %s',
    (_, draft) => {
      const pdu = build(room, draft)
      const { signatures: _signatures, hashes: _hashes, ...bare } = objectOf(pdu)
      expect(canonicalJson(hashAndSign(room, bare))).toBe(pdu.json)
      const { text, of } = eventSignatures(pdu, [SERVER])
      const key = given(verifyKeyOf(SPEC_KEY.publicKey))
      expect(verifyText(text, given(of.get(SERVER)?.get('ed25519:1')), key)).toBe(true)
    },
  )

  test('has the id that its version gives', () => {
    const pdu = build(room)
    const form =
      id === '1' || id === '2' ? /^\$[\w-]{24}:domain$/ : id === '3' ? /^\$[A-Za-z0-9+/]{43}$/ : /^\$[\w-]{43}$/
    expect(pdu.eventId).toMatch(form)
    expect(build(room).eventId).toBe(pdu.eventId)
    expect(build(room, { content: { a: 1 } }).eventId).not.toBe(pdu.eventId)
    expect(build(room, {}, { prev: [pdu.eventId] }).eventId).not.toBe(pdu.eventId)
  })

  test('keeps the target of a redaction where clients of the federation look for it', () => {
    const pdu = build(room, { type: 'm.room.redaction', content: {}, redacts: eventId('$t:domain') })
    const event = objectOf(pdu)
    expect(pdu.redacts).toBe('$t:domain')
    expect([event.redacts, pdu.content.redacts]).toEqual(
      room.redactsInContent ? [undefined, '$t:domain'] : ['$t:domain', undefined],
    )
  })

  test('takes numbers as its version allows', () => {
    const content = parseJsonObject('{"a":1.5,"b":1.0,"c":9007199254740993}')
    const outcome = errcode(() => expect(reparse(build(room, { content })).content).toEqual(content))
    expect(outcome).toBe(room.strictCanonicalJson ? 'M_BAD_JSON' : 'accepted')
  })
})

describe('room versions 1 and 2', () => {
  test('name predecessors with their hashes', () => {
    const first = build(version('2'))
    const hash = referenceHash(version('2'), objectOf(first))
    const pdu = build(
      version('2'),
      {},
      { prev: [first.eventId], auth: [], referenceHashes: new Map([[first.eventId, hash]]) },
    )
    expect(objectOf(pdu).prev_events).toEqual([[first.eventId, { sha256: hash }]])
    expect(reparse(pdu).prevEvents).toEqual([first.eventId])
  })
})

describe('room version 12', () => {
  test('the create event names no room and gives the room its id', () => {
    const draft = { sender: ALICE, type: 'm.room.create', stateKey: '', content: { room_version: '12' } }
    const create = buildEvent(draft, { version: version('12'), now: 5, prev: [], auth: [], depth: 1 }, SIGNER)
    expect(Object.keys(objectOf(create))).not.toContain('room_id')
    expect(create.roomId).toBe(`!${create.eventId.slice(1)}`)
    expect(reparse(create)).toEqual(create)
  })
})

describe('limits', () => {
  const sizeOf = (length: number): number =>
    Buffer.byteLength(build(version('11'), { content: { body: 'a'.repeat(length) } }).json)
  const room = 65_536 - sizeOf(0)

  test('65,536 bytes are taken, 65,537 are M_TOO_LARGE', () => {
    expect(sizeOf(room)).toBe(65_536)
    expect(errcode(() => sizeOf(room + 1))).toBe('M_TOO_LARGE')
    expect(errcode(() => build(version('11'), { content: { body: 'é'.repeat(room / 2 + 1) } }))).toBe('M_TOO_LARGE')
  })

  test('255 bytes of a type or state key are taken, 256 are M_TOO_LARGE', () => {
    for (const field of ['type', 'stateKey'] as const) {
      expect(errcode(() => build(version('11'), { [field]: 'a'.repeat(255) }))).toBe('accepted')
      expect(errcode(() => build(version('11'), { [field]: 'é'.repeat(128) }))).toBe('M_TOO_LARGE')
    }
  })

  test('a lone surrogate is M_BAD_JSON wherever it is', () => {
    expect(errcode(() => build(version('11'), { content: { a: '\ud800' } }))).toBe('M_BAD_JSON')
    expect(errcode(() => build(version('11'), { type: '\ud800' }))).toBe('M_BAD_JSON')
    expect(errcode(() => build(version('11'), { stateKey: '\udc00' }))).toBe('M_BAD_JSON')
  })

  test('depth stays at its limit', () => {
    expect(reparse(build(version('11'), {}, { depth: Number.MAX_SAFE_INTEGER + 1 })).depth).toBe(
      Number.MAX_SAFE_INTEGER,
    )
  })
})

describe('a second signature', () => {
  test('is added to the first and changes nothing else', () => {
    const other = signingKeyOf('ed25519:b', new Uint8Array(32).fill(1))
    const resident = given(parseServerName('resident'))
    const pdu = build(version('10'), { content: { body: 'x' } })
    const twice = signPdu(pdu, resident, other)
    const { text, of } = eventSignatures(twice, [SERVER, resident, given(parseServerName('nobody'))])
    expect(verifyText(text, given(of.get(resident)?.get('ed25519:b')), given(verifyKeyOf(other.publicKey)))).toBe(true)
    expect(verifyText(text, given(of.get(SERVER)?.get('ed25519:1')), given(verifyKeyOf(SPEC_KEY.publicKey)))).toBe(true)
    expect([...of.values()].map((signatures) => signatures.size)).toEqual([1, 1, 0])
    expect(reparse(twice).eventId).toBe(pdu.eventId)
    expect(twice.json).toBe(canonicalJson(objectOf(twice)))
  })
})

describe('properties', () => {
  const content = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 }) as fc.Arbitrary<Record<string, JsonValue>>

  test('the id does not depend on the order of keys in the JSON that is received', () => {
    fc.assert(
      fc.property(content, (value) => {
        const pdu = build(version('5'), { content: value })
        const backwards = stringifyJson(Object.fromEntries(Object.entries(objectOf(pdu)).reverse()))
        const parsed = parsePdu(version('5'), backwards)
        expect('ok' in parsed && parsed.ok).toEqual(pdu)
      }),
      { numRuns: 50 },
    )
  })
})
