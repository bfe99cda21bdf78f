import { describe, expect, test } from 'vitest'
import { parseServerName } from '../../src/protocol/ids.js'
import { canonicalJson, parseJsonObject } from '../../src/protocol/json.js'
import { signedTextOf, signJson, verifyKeyOf, verifyText } from '../../src/protocol/signing.js'
import { parseXMatrix, signedRequestText, xMatrixHeader } from '../../src/protocol/x-matrix.js'
import { SPEC_KEY } from '../support/spec-key.js'

const origin = parseServerName('origin.hs.example.com') ?? expect.fail()
const destination = parseServerName('[::1]:8448') ?? expect.fail()
const request = { method: 'PUT', uri: '/_matrix/federation/v1/send/a%2Fb?x="y"&é', origin, destination }

describe('requests of ours', () => {
  test('the header holds the signature of the whole request and can be read back', () => {
    const content = canonicalJson(parseJsonObject('{"b":1,"a":"é"}'))
    const credentials = parseXMatrix(xMatrixHeader({ ...request, content }, SPEC_KEY)) ?? expect.fail()
    expect(credentials).toMatchObject({ origin, destination, keyId: 'ed25519:1' })
    const key = verifyKeyOf(SPEC_KEY.publicKey) ?? expect.fail()
    expect(verifyText(signedRequestText({ ...request, content }), credentials.signature, key)).toBe(true)
    expect(verifyText(signedRequestText(request), credentials.signature, key)).toBe(false)
  })

  test('what is signed is the JSON of the specification', () => {
    const object = { ...request, content: { a: 1 } }
    expect(signedRequestText({ ...request, content: '{"a":1}' })).toBe(signedTextOf(signJson(object, origin, SPEC_KEY)))
    expect(signedRequestText(request)).toBe(canonicalJson(request))
  })
})

describe('headers of others', () => {
  const expected = { origin: 'a.example', destination: 'b.example:80', keyId: 'ed25519:k_1', signature: 'Ab+/9' }

  test.each([
    'X-Matrix origin="a.example",destination="b.example:80",key="ed25519:k_1",sig="Ab+/9"',
    'X-Matrix origin=a.example,destination=b.example:80,key=ed25519:k_1,sig=Ab+/9',
    'X-Matrix sig="Ab+/9",key="ed25519:k_1",destination="b.example:80",origin="a.example"',
    'X-Matrix   ORIGIN=a.example ,\t destination="b.example:80" , Key="ed25519:k_1",Sig="Ab+/9"',
    'x-matrix origin="\\a.ex\\ample",destination="b.example:80",key="ed25519:k_1",sig="Ab+/9"',
    'X-Matrix origin=a.example,destination=b.example:80,key=ed25519:k_1,signature="Ab+/9",new="x,y=\\"z"',
    'X-Matrix origin=a.example,,destination=b.example:80,key=ed25519:k_1,sig="Ab+/9" ',
  ])('%s', (header) => {
    expect(parseXMatrix(header)).toEqual(expected)
  })

  test('the destination may be missing, padding and IPv6 may be unquoted', () => {
    expect(parseXMatrix('X-Matrix origin=[::1]:80,key=ed25519:1,sig=Ab==')).toEqual({
      origin: '[::1]:80',
      destination: undefined,
      keyId: 'ed25519:1',
      signature: 'Ab==',
    })
  })

  test.each([
    '',
    'X-Matrix',
    'X-Matrix ',
    'Bearer abc',
    'X-Matrixorigin=a,key=b,sig=c',
    'X-Matrix origin=a,key=b',
    'X-Matrix origin=a,sig=b',
    'X-Matrix key=a,sig=b',
    'X-Matrix origin=a_b,key=k,sig=s',
    'X-Matrix origin="a,key=k,sig=s',
    'X-Matrix origin=a key=k,sig=s',
    'X-Matrix origin=a,origin=b,key=k,sig=s',
    'X-Matrix origin="a"x,key=k,sig=s',
    'X-Matrix origin=,key=k,sig=s',
    'X-Matrix origin=a,destination="",key=k,sig=s',
    'X-Matrix origin,key=k,sig=s',
    'X-Matrix origin="a\\",key=k,sig=s',
  ])('%j is refused', (header) => {
    expect(parseXMatrix(header)).toBeUndefined()
  })

  test('a hostile header costs little', () => {
    const start = performance.now()
    for (const part of ['\\', '"', ',', ' ', 'a=', 'a="', ',\t', '\\"'])
      parseXMatrix(`X-Matrix origin="${part.repeat(8000)}`)
    expect(performance.now() - start).toBeLessThan(100)
  })
})
