import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import { parseServerName } from '../../src/protocol/ids.js'
import { canonicalJson, parseJsonObject } from '../../src/protocol/json.js'
import {
  decodeBase64,
  encodeBase64,
  encodeBase64Url,
  keyPemOf,
  parseKeyPem,
  signaturesOf,
  signedTextOf,
  signingKeyOf,
  signJson,
  signText,
  verifyJson,
  verifyKeyOf,
  verifyText,
  verifyTextLater,
} from '../../src/protocol/signing.js'
import { SPEC_KEY } from '../support/spec-key.js'

const domain = parseServerName('domain') ?? expect.fail()
const spec = verifyKeyOf(SPEC_KEY.publicKey) ?? expect.fail()

describe("the specification's vectors for signed JSON", () => {
  test.each([
    ['{}', 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'],
    ['{"one":1,"two":"Two"}', 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw'],
  ])('%s', (text, signature) => {
    const signed = signJson(parseJsonObject(text), domain, SPEC_KEY)
    expect(signed.signatures).toEqual({ domain: { 'ed25519:1': signature } })
    expect(verifyJson(signed, 'domain', 'ed25519:1', spec)).toBe(true)
  })
})

describe('signatures', () => {
  test('are those of tweetnacl, byte for byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string({ unit: 'grapheme' }), (seed, text) => {
        const pair = nacl.sign.keyPair.fromSeed(Uint8Array.from(seed))
        const key = signingKeyOf('ed25519:a', seed)
        const signature = signText(text, key)
        expect(signature).toBe(encodeBase64(nacl.sign.detached(Uint8Array.from(Buffer.from(text)), pair.secretKey)))
        expect(key.publicKey).toBe(encodeBase64(pair.publicKey))
        const verifyKey = verifyKeyOf(key.publicKey) ?? expect.fail()
        expect(verifyText(text, signature, verifyKey)).toBe(true)
        expect(verifyText(`${text}.`, signature, verifyKey)).toBe(false)
      }),
      { numRuns: 15 },
    )
  })

  test('of others, and what is unsigned, are kept and not covered', () => {
    const first = parseJsonObject(
      '{"a":1,"unsigned":{"age":1},"signatures":{"other":{"ed25519:x":"sig"},"domain":{"ed25519:0":"old"}}}',
    )
    const signed = signJson(first, domain, SPEC_KEY)
    expect(signaturesOf(signed, 'other').get('ed25519:x')).toBe('sig')
    expect(signaturesOf(signed, 'domain').get('ed25519:0')).toBe('old')
    expect(signed.unsigned).toEqual({ age: 1 })
    expect(signedTextOf(signed)).toBe('{"a":1}')
    expect(verifyJson({ ...signed, unsigned: {} }, 'domain', 'ed25519:1', spec)).toBe(true)
    expect(verifyJson({ ...signed, a: 2 }, 'domain', 'ed25519:1', spec)).toBe(false)
  })

  test('of unknown algorithms, or that are no strings, are passed over', () => {
    const object = parseJsonObject(
      '{"signatures":{"domain":{"rsa:1":"x","ed25519:1":5,"ed25519:2":"y"},"__proto__":{"ed25519:1":"z"},"no":[]}}',
    )
    expect([...signaturesOf(object, 'domain').keys()]).toEqual(['ed25519:2'])
    expect([...signaturesOf(object, '__proto__').keys()]).toEqual(['ed25519:1'])
    expect(signaturesOf(object, 'no').size).toBe(0)
    expect(signaturesOf(object, 'constructor').size).toBe(0)
    expect(signaturesOf({}, 'domain').size).toBe(0)
  })

  test.each(['', 'not base64!', 'AAAA', `${'A'.repeat(85)}`, `${'A'.repeat(90)}`])(
    'malformed ones are wrong, not an error: %j',
    async (signature) => {
      expect(verifyText('x', signature, spec)).toBe(false)
      expect(await verifyTextLater('x', signature, spec)).toBe(false)
    },
  )

  test('are verified on the thread pool with the same outcome', async () => {
    const signature = signText('text', SPEC_KEY)
    expect(await verifyTextLater('text', signature, spec)).toBe(true)
    expect(await verifyTextLater('other', signature, spec)).toBe(false)
  })

  test('the order of keys does not matter', () => {
    const one = signJson(parseJsonObject('{"b":{"y":1,"x":2},"a":3}'), domain, SPEC_KEY)
    const other = signJson(parseJsonObject('{"a":3,"b":{"x":2,"y":1}}'), domain, SPEC_KEY)
    expect(canonicalJson(one)).toBe(canonicalJson(other))
  })
})

describe('base64', () => {
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('of %j is %j, with and without padding', (text, encoded) => {
    expect(encodeBase64(Buffer.from(text))).toBe(encoded)
    expect(decodeBase64(encoded)).toEqual(Uint8Array.from(Buffer.from(text)))
    expect(decodeBase64(encoded + '='.repeat((4 - (encoded.length % 4)) % 4))).toEqual(
      Uint8Array.from(Buffer.from(text)),
    )
  })

  test('is read in both alphabets and written in either', () => {
    const bytes = Uint8Array.from([0xfb, 0xff, 0xfe])
    expect([encodeBase64(bytes), encodeBase64Url(bytes)]).toEqual(['+//+', '-__-'])
    expect([decodeBase64('+//+'), decodeBase64('-__-')]).toEqual([bytes, bytes])
  })

  test.each(['a', 'ab=c', 'a b=', 'ab===', 'é', '\n'])('%j is not base64', (text) => {
    expect(decodeBase64(text)).toBeUndefined()
  })
})

describe('keys', () => {
  test('a public key has 32 bytes', () => {
    for (const text of ['', 'AAAA', encodeBase64(randomBytes(31)), encodeBase64(randomBytes(33)), '*']) {
      expect(verifyKeyOf(text)).toBeUndefined()
    }
  })

  test('a signing key has an id and 32 bytes', () => {
    expect(() => signingKeyOf('ed25519:a', randomBytes(31))).toThrow(RangeError)
    expect(() => signingKeyOf('ed25519:', randomBytes(32))).toThrow(RangeError)
    expect(() => signingKeyOf('rsa:1', randomBytes(32))).toThrow(RangeError)
  })

  test('the PEM file is written and read', () => {
    const pem = keyPemOf(SPEC_KEY)
    expect(pem).toBe(
      `-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:1\n\n${encodeBase64(SPEC_KEY.seed)}=\n-----END MATRIX PRIVATE KEY-----\n`,
    )
    expect(parseKeyPem(pem).publicKey).toBe(SPEC_KEY.publicKey)
    expect(parseKeyPem(`# comment\r\n${pem.replaceAll('\n', '\r\n')}`).keyId).toBe('ed25519:1')
  })

  test.each([
    ['', /no PEM block/],
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /no PEM block/],
    ['-----BEGIN MATRIX PRIVATE KEY-----\nAAAA\n-----END MATRIX PRIVATE KEY-----', /no Key-ID/],
    ['-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:a b\n\nAAAA\n-----END MATRIX PRIVATE KEY-----', /Key-ID/],
    ['-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:a\n\nAAAA\n-----END MATRIX PRIVATE KEY-----', /3 bytes/],
    ['-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:a\n\nA*AA\n-----END MATRIX PRIVATE KEY-----', /base64/],
  ])('a file that is no key is refused with what is wrong: %j', (text, message) => {
    expect(() => parseKeyPem(text)).toThrow(message)
  })
})
