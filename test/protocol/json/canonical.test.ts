import oracle from 'canonicaljson'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CanonicalJsonError,
  canonicalJson,
  compareCodePoints,
  type JsonValue,
  LosslessNumber,
  parseJson,
} from '../../../src/protocol/json.js'

describe("the specification's examples", () => {
  test.each([
    ['{}', '{}'],
    ['{"one":1,"two":"Two"}', '{"one":1,"two":"Two"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      '{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}',
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a":"日本語"}', '{"a":"日本語"}'],
    ['{"本":2,"日":1}', '{"日":1,"本":2}'],
    ['{"a":"\\u65E5"}', '{"a":"日"}'],
    ['{"a":null}', '{"a":null}'],
    ['{"a":-0,"b":1e10}', '{"a":0,"b":10000000000}'],
  ])('%s', (text, canonical) => {
    expect(canonicalJson(parseJson(text))).toBe(canonical)
  })
})

describe('strings', () => {
  test('escapes are the shortest, with lower-case digits', () => {
    expect(canonicalJson('\b\t\n\f\r"\\/\u0000\u001f\u007f\u2028é😀')).toBe(
      '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\u007f\u2028é😀"',
    )
  })

  test('keys are ordered by code point, not by UTF-16 unit', () => {
    expect(canonicalJson({ '\u{10000}': 1, '\uffff': 2, '\ue000': 3, z: 4, '': 5 })).toBe(
      '{"":5,"z":4,"\ue000":3,"\uffff":2,"\u{10000}":1}',
    )
  })

  test('keys that look like integers are ordered as text', () => {
    expect(canonicalJson(parseJson('{"9":1,"10":2,"a":3,"1":4}'))).toBe('{"1":4,"10":2,"9":1,"a":3}')
  })

  test('a lone surrogate has no canonical form', () => {
    expect(() => canonicalJson('\ud800')).toThrow(CanonicalJsonError)
    expect(() => canonicalJson({ '\udfff': 1 })).toThrow(CanonicalJsonError)
  })
})

describe('numbers', () => {
  const forms: JsonValue[] = [1.5, 2 ** 53, -(2 ** 53), new LosslessNumber('1.0'), new LosslessNumber('-0'), -0]

  test.each(forms)('%s has no canonical form where it is enforced', (value) => {
    expect(() => canonicalJson([value], { enforce: true })).toThrow(CanonicalJsonError)
    expect(() => canonicalJson([value])).not.toThrow()
  })

  test('not enforced, they stay as they were written', () => {
    expect(canonicalJson(parseJson('[1.0,50.57,9007199254740993,1e22,1.5e3,1e-400,-0.0]'))).toBe(
      '[1.0,50.57,9007199254740993,1e22,1.5e3,1e-400,-0.0]',
    )
  })

  test('what is not finite is refused in any case', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => canonicalJson(value)).toThrow(CanonicalJsonError)
  })
})

describe('properties', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1', '0', 'é', '\u001f', '\uffff', '😀', '"', '\\') })
  const integer = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  const { tree } = fc.letrec<{ tree: JsonValue }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      key,
      integer,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 5, noNullPrototype: false }),
    ),
  }))

  test('is a fixed point of parsing and writing', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const text = canonicalJson(value, { enforce: true })
        expect(canonicalJson(parseJson(text, { strict: true }), { enforce: true })).toBe(text)
      }),
    )
  })

  test('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(key, tree, { maxKeys: 8 }), fc.infiniteStream(fc.nat()), (object, order) => {
        const entries = Object.entries(object)
        const shuffled = entries
          .map((entry) => ({ entry, rank: order.next().value ?? 0 }))
          .sort((a, b) => a.rank - b.rank)
        expect(canonicalJson(Object.fromEntries(shuffled.map(({ entry }) => entry)))).toBe(canonicalJson(object))
      }),
    )
  })

  test('code points order as their UTF-8 bytes do', () => {
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, text, (left, right) => {
        const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right))
        expect(Math.sign(compareCodePoints(left, right))).toBe(bytes)
      }),
    )
  })

  // The package implements another standard: it differs in the case of escapes and in long integers, which are left out.
  test('agrees with the canonicaljson package where the standards agree', () => {
    const plain = fc.string({ unit: fc.constantFrom('a', 'b', 'Z', '0', 'é', '日', '"', '\\', '\n') })
    const { common } = fc.letrec<{ common: JsonValue }>((tie) => ({
      common: fc.oneof(
        { maxDepth: 4 },
        plain,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('common'), { maxLength: 4 }),
        fc.dictionary(plain, tie('common'), { maxKeys: 5, noNullPrototype: true }),
      ),
    }))
    fc.assert(fc.property(common, (value) => canonicalJson(value) === oracle.stringify(value)))
  })
})
