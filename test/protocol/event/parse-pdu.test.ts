import { describe, expect, test } from 'vitest'
import { MAX_PDU_BYTES, parsePdu } from '../../../src/protocol/event/parse-pdu.js'
import { FEDERATION_MAX_DEPTH, getArray, isJsonObject, parseJsonObject } from '../../../src/protocol/json.js'
import { ALL_VERSIONS, accepted, build, changed, given, hashAndSign, version } from './support.js'

const versions = ALL_VERSIONS.map((room) => [room.id, room] as const)

function refusal(id: string, json: string): string | undefined {
  const parsed = parsePdu(version(id), json)
  return 'refused' in parsed ? parsed.refused : undefined
}

describe.each(versions)('a PDU of version %s', (id, room) => {
  const good = build(room, { stateKey: 'k' })

  test.each([
    'type',
    'sender',
    'room_id',
    'content',
    'depth',
    'origin_server_ts',
    'hashes',
    'signatures',
    'prev_events',
    'auth_events',
  ])('without %s is refused', (field) => {
    const { [field]: _dropped, ...rest } = parseJsonObject(good.json)
    expect(parsePdu(room, rest)).toHaveProperty('refused')
  })

  test.each([
    ['type', 1],
    ['sender', 'a'],
    ['sender', 5],
    ['sender', '@a\0:b'],
    ['room_id', 'x'],
    ['room_id', null],
    ['content', []],
    ['content', 'x'],
    ['state_key', null],
    ['state_key', 5],
    ['origin_server_ts', '5'],
    ['origin_server_ts', null],
    ['hashes', []],
    ['hashes', {}],
    ['hashes', { sha256: 5 }],
    ['signatures', []],
    ['prev_events', {}],
    ['prev_events', [5]],
    ['prev_events', ['x']],
    ['auth_events', [[]]],
    ['auth_events', [null]],
  ])('with %s = %j is refused', (field, value) => {
    expect(refusal(id, changed(good, { [field]: value }))).toContain(field)
  })

  test.each([
    '-1',
    '9007199254740992',
    '9223372036854775807',
    '18446744073709551616',
    '1e400',
    '1.5',
    '"5"',
    'null',
    '1.0',
    '-0',
    '1e3',
  ])('with depth %s is refused', (depth) => {
    expect(refusal(id, good.json.replace('"depth":3', `"depth":${depth}`))).toContain('depth')
  })

  test('takes 20 predecessors and 10 auth events, no more', () => {
    const many = (count: number): unknown[] =>
      Array.from({ length: count }, (_, i) => (room.referencesWithHashes ? [`$${i}:a`, {}] : `$${i}`))
    const outcome = (prev: number, auth: number) =>
      refusal(id, changed(good, { prev_events: many(prev), auth_events: many(auth) }))
    expect(outcome(20, 10)).toBeUndefined()
    expect(outcome(21, 10)).toContain('prev_events')
    expect(outcome(20, 11)).toContain('auth_events')
  })

  test('has to fit into 65,536 bytes without its unsigned part', () => {
    const bare = Buffer.byteLength(changed(good, { content: { a: '' } }))
    const sized = (length: number) =>
      changed(good, { content: { a: 'x'.repeat(length) }, unsigned: { b: 'y'.repeat(1000) } })
    expect(refusal(id, sized(MAX_PDU_BYTES - bare))).toBeUndefined()
    expect(refusal(id, sized(MAX_PDU_BYTES - bare + 1))).toContain('bytes')
  })

  test('may have floats and the like only where JSON is not strict', () => {
    for (const value of ['1.0', '1e3', '-0', '9007199254740993', '1.5']) {
      const outcome = refusal(id, good.json.replace('"content":{}', `"content":{"a":${value}}`))
      expect(outcome === undefined).toBe(!room.strictCanonicalJson)
    }
  })

  test('loses what is unsigned and keeps what nobody knows', () => {
    const pdu = accepted(parsePdu(room, changed(good, { unsigned: { age: 5 }, 'org.example.new': [1] })))
    expect(pdu.json).not.toContain('unsigned')
    expect(pdu.json).toContain('"org.example.new":[1]')
    expect(room.eventIdFormat === 'explicit' || pdu.eventId === good.eventId).toBe(true)
  })

  test('with an id longer than 255 bytes is kept as rejected in old rooms as long as it has 255 characters', () => {
    const type = 'é'.repeat(200)
    const parsed = parsePdu(room, changed(good, { type }))
    if (room.strictByteLimits) expect(parsed).toMatchObject({ refused: expect.stringContaining('type') })
    else expect(parsed).toMatchObject({ ok: { type }, mustReject: expect.stringContaining('type') })
    expect(refusal(id, changed(good, { type: 'a'.repeat(256) }))).toContain('type')
    expect(refusal(id, changed(good, { state_key: 'a'.repeat(256) }))).toContain('state_key')
    expect(refusal(id, changed(good, { state_key: 'a'.repeat(255), type: 'b'.repeat(255) }))).toBeUndefined()
  })
})

test.each(['1', '2'])('version %s refuses an event id without a server', (id) => {
  const good = build(version(id))
  for (const eventId of [undefined, 5, 'x', '$x', '$x:b c'])
    expect(refusal(id, changed(good, { event_id: eventId }))).toContain('event_id')
  expect(refusal(id, changed(good, { event_id: '$mine:other.example' }))).toBeUndefined()
})

test('text that is no JSON, ambiguous or too deep is refused, not thrown', () => {
  const good = build(version('11')).json
  for (const json of [
    '',
    '[]',
    'null',
    '{"a":1,"a":2}',
    '['.repeat(100_000),
    good.replace('{"auth', '{"x":"\\ud800","auth'),
  ]) {
    expect(refusal('11', json)).toBeDefined()
  }
})

test('an event of 128 levels is taken, and a deeper one is refused alone', () => {
  const pduOf = (levels: number) =>
    changed(build(version('11')), { content: { a: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) } })
  const transaction = parseJsonObject(`{"pdus":[${pduOf(126)},${pduOf(127)},${pduOf(900)}]}`, {
    maxDepth: FEDERATION_MAX_DEPTH,
  })
  const outcomes = (getArray(transaction, 'pdus') ?? []).map((pdu) =>
    isJsonObject(pdu) ? parsePdu(version('11'), pdu) : expect.fail(),
  )
  expect(outcomes.map((outcome) => 'ok' in outcome)).toEqual([true, false, false])
  expect(refusal('11', pduOf(126))).toBeUndefined()
  expect(refusal('11', pduOf(127))).toContain('128')
})

test('a signature of a redacted event survives its redaction, the id too', () => {
  const room = version('11')
  const full = build(room, { content: { body: 'secret' } })
  const { content: _content, ...rest } = parseJsonObject(full.json)
  expect(accepted(parsePdu(room, { ...rest, content: {} })).eventId).toBe(full.eventId)
})

test('numbers of an old room are verified as they were written', () => {
  const room = version('5')
  const event = parseJsonObject(
    '{"type":"m.room.power_levels","state_key":"","sender":"@a:domain","room_id":"!x:domain","depth":1,"origin_server_ts":1,"prev_events":[],"auth_events":[],"content":{"users":{"@b:c":50.0,"@d:e":12345678901234567890}}}',
  )
  const pdu = accepted(parsePdu(room, hashAndSign(room, event)))
  expect(pdu.json).toContain('{"@b:c":50.0,"@d:e":12345678901234567890}')
  expect(given(pdu.stateKey)).toBe('')
})
