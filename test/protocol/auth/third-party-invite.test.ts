import { expect, it } from 'vitest'
import { checkAuth } from '../../../src/protocol/auth/index.js'
import { type JsonObject, LosslessNumber } from '../../../src/protocol/json.js'
import { signingKeyOf, signJson } from '../../../src/protocol/signing.js'
import { createEventId, makePdu, stateOf, versionOf } from '../../support/pdu-factory.js'

const version = versionOf('12')
const SENDER = '@sender:a.example'
const TARGET = '@target:b.example'

function verdictOn(signed: JsonObject, thirdPartyInvite: JsonObject): string {
  const create = { version, eventId: createEventId(version), type: 'm.room.create', sender: SENDER, stateKey: '' }
  const pending = { version, eventId: '$pending', type: 'm.room.third_party_invite', sender: SENDER, stateKey: 'token' }
  const state = stateOf([makePdu(create), makePdu({ ...pending, content: thirdPartyInvite })])
  const content = { membership: 'invite', third_party_invite: { signed } }
  const event = makePdu({
    version,
    eventId: '$invite',
    type: 'm.room.member',
    sender: SENDER,
    stateKey: TARGET,
    content,
  })
  const verdict = checkAuth(event, state)
  return verdict.allowed ? 'allowed' : verdict.rule
}

it('a third party invite is checked with the key of its identity server', () => {
  const key = signingKeyOf('ed25519:0', new Uint8Array(32).fill(1))
  const signed = signJson({ mxid: TARGET, token: 'token' }, 'id.example' as never, key)
  expect(verdictOn(signed, { public_key: key.publicKey })).toBe('allowed')
  expect(verdictOn({ ...signed, mxid: TARGET, token: 'token', more: true }, { public_key: key.publicKey })).toBe(
    '5.4.1.8',
  )
})

it('a third party invite full of keys and signatures does not hold up the server', () => {
  const base64 = (length: number, index: number): string =>
    Buffer.alloc(length, `${index} `).toString('base64').replace(/=+$/, '')
  const keys = Array.from({ length: 900 }, (_, index) => ({ public_key: base64(32, index) }))
  const signatures = Array.from({ length: 500 }, (_, index) => [`ed25519:${index}`, base64(64, index)] as const)
  const signed = { mxid: TARGET, token: 'token', signatures: { 'id.example': Object.fromEntries(signatures) } }
  const started = performance.now()
  expect(verdictOn(signed, { public_keys: keys })).toBe('5.4.1.8')
  // All pairs would take a minute.
  expect(performance.now() - started).toBeLessThan(1_000)
})

it('a third party invite whose signed part has no canonical form is refused', () => {
  const signed = { mxid: TARGET, token: 'token', beyond: new LosslessNumber('1e400') }
  expect(verdictOn({ ...signed, signatures: { i: { 'ed25519:0': 'x' } } }, { public_key: 'x' })).toBe('5.4.1.8')
})
