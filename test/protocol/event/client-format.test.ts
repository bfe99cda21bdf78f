import { describe, expect, test } from 'vitest'
import {
  clientEvent,
  clientEventText,
  strippedEvent,
  withRoomId,
  withUnsigned,
} from '../../../src/protocol/event/client-format.js'
import { redactPdu } from '../../../src/protocol/event/redact.js'
import { parseJsonObject } from '../../../src/protocol/json.js'
import { ALICE, build, eventId, roomId, version } from './support.js'

const parsed = (text: string): unknown => JSON.parse(text)

describe('what clients see of an event', () => {
  test('has no fields of the federation', () => {
    const pdu = build(version('11'), { content: { body: 'é"' } })
    expect(parsed(clientEvent(pdu))).toEqual({
      content: { body: 'é"' },
      event_id: pdu.eventId,
      origin_server_ts: 1_000_000,
      room_id: '!x:domain',
      sender: ALICE,
      type: 'm.room.message',
    })
    expect(parsed(clientEventText(pdu))).not.toHaveProperty('room_id')
  })

  test('has a state key only if it is state', () => {
    expect(parsed(clientEvent(build(version('11'), { stateKey: '' })))).toHaveProperty('state_key', '')
    expect(parsed(clientEvent(build(version('11'))))).not.toHaveProperty('state_key')
  })

  test('is completed by splicing', () => {
    const text = clientEventText(build(version('11')))
    const whole = withUnsigned(withRoomId(text, roomId('!"}:b')), '{"age":5}')
    expect(parsed(whole)).toMatchObject({ room_id: '!"}:b', unsigned: { age: 5 }, type: 'm.room.message' })
    expect(withUnsigned(text, '{}')).toBe(text)
  })

  test.each(['1', '3', '10', '11', '12'])('in version %s a redaction names its target in both places', (id) => {
    const pdu = build(version(id), {
      type: 'm.room.redaction',
      content: { reason: 'r' },
      redacts: eventId('$t:domain'),
    })
    expect(parsed(clientEvent(pdu))).toMatchObject({
      redacts: '$t:domain',
      content: { redacts: '$t:domain', reason: 'r' },
    })
  })

  test('a redacted redaction says no more than is left of it', () => {
    const pdu = redactPdu(build(version('10'), { type: 'm.room.redaction', redacts: eventId('$t:domain') }))
    expect(parsed(clientEvent(pdu))).toMatchObject({ content: {} })
    expect(parsed(clientEvent(pdu))).not.toHaveProperty('redacts')
  })

  test('keeps keys and strings that are awkward in JavaScript and SQL', () => {
    const content = parseJsonObject('{"__proto__":{"a":"\\u0000"},"constructor":1,"😀":"\\u2028"}')
    const pdu = build(version('11'), { content, type: '__proto__' })
    expect(parseJsonObject(clientEvent(pdu)).content).toEqual(content)
  })
})

test('stripped state has four fields', () => {
  const pdu = build(version('12'), { type: 'm.room.name', stateKey: '', content: { name: 'n' } })
  expect(parsed(strippedEvent(pdu))).toEqual({
    content: { name: 'n' },
    sender: ALICE,
    state_key: '',
    type: 'm.room.name',
  })
})
