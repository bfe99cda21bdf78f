import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalJson,
  JsonError,
  LosslessNumber,
  type ParseOptions,
  parseJson,
  parseJsonObject,
  parseStoredJson,
  stringifyJson,
} from '../../../src/protocol/json.js'

function refusal(input: string | Uint8Array, options?: ParseOptions): string {
  try {
    parseJson(input, options)
  } catch (error) {
    if (error instanceof JsonError) return error.errcode
    throw error
  }
  return 'accepted'
}

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

describe('numbers', () => {
  test.each([
    '1.0',
    '1e3',
    '1E3',
    '-0',
    '-0.0',
    '9007199254740993',
    '1e400',
    '-1e400',
    '0.10',
    '1e-400',
    '12345678901234567890',
  ])('%s keeps the text it was written as', (lexeme) => {
    const parsed = parseJsonObject(`{"depth":${lexeme}}`)
    expect(parsed.depth).toEqual(new LosslessNumber(lexeme))
    expect(stringifyJson(parsed)).toBe(`{"depth":${lexeme}}`)
  })

  test.each([0, 1, -1, 9007199254740991, -9007199254740991, 9007199254740992, 1.5, -2.25, 1e21, 1e-7])(
    '%s is a plain number',
    (number) => {
      expect(parseJson(JSON.stringify(number))).toBe(number)
    },
  )

  test.each(['1.0', '1e3', '-0', '1.5', '9007199254740992', '9007199254740993', '-9007199254740992', '1e400'])(
    'strict parsing refuses %s',
    (lexeme) => {
      expect(refusal(`[{"a":${lexeme}}]`, { strict: true })).toBe('M_BAD_JSON')
      expect(refusal(`[{"a":${lexeme}}]`)).toBe('accepted')
    },
  )

  test('strict parsing takes all integers that a double holds', () => {
    expect(parseJson('[9007199254740991,-9007199254740991,0]', { strict: true })).toEqual([
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      0,
    ])
  })

  test('what looks like a number inside a string is a string', () => {
    expect(parseJson('{"a":"1.0","1e3":"\\"-0,"}', { strict: true })).toEqual({ a: '1.0', '1e3': '"-0,' })
  })
})

describe('objects', () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s is a key like any other', (key) => {
    for (const text of [`{"${key}":{"a":1}}`, `{"${key}":{"a":1},"lossy":1.0}`]) {
      const parsed = parseJsonObject(text)
      expect(Object.keys(parsed)).toContain(key)
      expect(Object.getPrototypeOf(parsed)).toBeNull()
      expect(stringifyJson(parsed)).toBe(text)
    }
    expect(parseJsonObject('{}')[key]).toBeUndefined()
  })

  test.each(['{"a":1,"a":2}', '[{"b":{"a":1,"\\u0061":1}}]', '{"__proto__":1,"__proto__":2}', '{"a":1.0,"a":1.0}'])(
    'the same key twice is refused: %s',
    (text) => {
      expect(refusal(text)).toBe('M_BAD_JSON')
    },
  )

  test('keys of different objects, and colons in strings, are not duplicates', () => {
    expect(refusal('{"a":{"a":[{"a":":"},{"a":":,\\":"}]},"b:":1}')).toBe('accepted')
  })

  test('anything but an object is refused where an object is expected', () => {
    for (const text of ['[]', '1', 'null', '"{}"', '1.0']) expect(() => parseJsonObject(text)).toThrow(JsonError)
  })
})

describe('texts that are refused', () => {
  test.each([
    '',
    ' ',
    '{',
    '{}}',
    '[1,]',
    '{"a"}',
    '{a:1}',
    "{'a':1}",
    '01',
    '+1',
    '1.',
    '.5',
    'NaN',
    'Infinity',
    '-Infinity',
    '-',
    'undefined',
    '{"a":1}x',
    '"',
    '"\\"',
    '"\\x"',
    '"\u0000"',
    '\ufeff{}',
    '1 2',
    '--1',
    '1e',
    '[1 2]',
    'tru',
  ])('%j is not JSON', (text) => {
    expect(refusal(text)).toBe('M_NOT_JSON')
    expect(refusal(Buffer.from(text))).toBe('M_NOT_JSON')
  })

  test('invalid UTF-8, a byte order mark and UTF-16 are not JSON (F46)', () => {
    expect(refusal(bytes('{"a":"', [0xff], '"}'))).toBe('M_NOT_JSON')
    expect(refusal(bytes('{"a":"', [0xed, 0xa0, 0x80], '"}'))).toBe('M_NOT_JSON')
    expect(refusal(bytes('{"a":"', [0xc0, 0x80], '"}'))).toBe('M_NOT_JSON')
    expect(refusal(bytes([0xef, 0xbb, 0xbf], '{}'))).toBe('M_NOT_JSON')
    expect(refusal(Buffer.from('{}', 'utf16le'))).toBe('M_NOT_JSON')
  })

  test.each(['"\\ud800"', '"\\uDC00\\uD800"', '{"\\udfff":1}', '["a\\ud83dz"]'])(
    'a lone surrogate is refused: %s',
    (text) => {
      expect(refusal(text)).toBe('M_BAD_JSON')
      expect(refusal(Buffer.from(text))).toBe('M_BAD_JSON')
    },
  )

  test('a lone surrogate in the text itself is refused', () => {
    expect(refusal('"\ud800"')).toBe('M_BAD_JSON')
  })

  test('whole pairs and an escaped backslash before u are fine', () => {
    expect(parseJson('["\\ud83d\\ude00","😀","\\\\ud800"]')).toEqual(['😀', '😀', '\\ud800'])
  })

  test('NUL in a string is data', () => {
    expect(parseJson('"a\\u0000b"')).toBe('a\0b')
  })
})

describe('depth', () => {
  test('100 levels are taken and 101 are not', () => {
    expect(refusal('['.repeat(100) + ']'.repeat(100))).toBe('accepted')
    expect(refusal('['.repeat(101) + ']'.repeat(101))).toBe('M_NOT_JSON')
    expect(refusal('[[[]]]', { maxDepth: 2 })).toBe('M_NOT_JSON')
  })

  test('brackets in strings are not levels', () => {
    expect(refusal(`"${'['.repeat(500)}"`)).toBe('accepted')
  })

  test.each(['[', '{"a":', '[1.0,'])('a hundred thousand of %s are refused at once', (open) => {
    const start = performance.now()
    expect(refusal(open.repeat(100_000))).toBe('M_NOT_JSON')
    expect(performance.now() - start).toBeLessThan(200)
  })

  test('what was let in can be read again from the store', () => {
    const text = `{"a":${'['.repeat(99)}${']'.repeat(99)}}`
    expect(stringifyJson(parseStoredJson(stringifyJson(parseJson(text))))).toBe(text)
  })
})

describe('properties', () => {
  test('agrees with JSON.parse on everything that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'medium' }), (value) => {
        const text = JSON.stringify(value)
        expect(stringifyJson(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)))
        expect(stringifyJson(parseJson(Buffer.from(JSON.stringify(value, null, 3))))).toBe(
          text.replaceAll(/(?<=[[,:])-0(?=[,\]}])|^-0$/g, '0'),
        )
      }),
    )
  })

  test('the lossless reader gives what the native one gives', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'medium' }), fc.nat(4), (value, indent) => {
        const text = JSON.stringify({ value }, null, indent)
        const forced = parseJsonObject(`{"lossy":1.0,"both":${text}}`)
        expect(canonicalJson(forced.both ?? null)).toBe(canonicalJson(parseJson(text)))
      }),
    )
  })

  test('arbitrary text is parsed or refused, never something else', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '1',
      '-',
      '.',
      'e',
      '0',
      ' ',
      'true',
      'null',
      '"a"',
      '\\u',
      'd800',
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
        const text = tokens.join('')
        let native = true
        try {
          JSON.parse(text)
        } catch {
          native = false
        }
        const outcome = refusal(text)
        expect(native ? outcome !== 'M_NOT_JSON' : outcome === 'M_NOT_JSON').toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
