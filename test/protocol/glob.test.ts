import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileGlob, compileWordGlob, matchesGlob } from '../../src/protocol/glob.js'

describe('whole texts', () => {
  test.each([
    ['', ''],
    ['*', ''],
    ['*', 'a\nb'],
    ['a', 'a'],
    ['a*', 'abc'],
    ['*c', 'abc'],
    ['a*c', 'abc'],
    ['a*c', 'ac'],
    ['?', 'a'],
    ['?', '😀'],
    ['a?c', 'abc'],
    ['a?*', 'ab'],
    ['*?', 'a'],
    ['**', 'a'],
    ['a**b', 'ab'],
    ['*a*b*', 'xaybz'],
    ['lunc?*', 'lunches'],
    ['*.evil.com', 'a.b.evil.com'],
    ['.*[', '.x['],
    ['a*a', 'aba'],
  ])('%s matches %j', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(true)
  })

  test.each([
    ['', 'a'],
    ['a', ''],
    ['a', 'ab'],
    ['a', 'ba'],
    ['a*', 'ba'],
    ['*a', 'ab'],
    ['a*c', 'abcd'],
    ['?', ''],
    ['?', 'ab'],
    ['a?c', 'ac'],
    ['lunc?*', ' lunch'],
    ['lunc?*', 'lunc'],
    ['a*a', 'a'],
    ['a.c', 'abc'],
    ['[ab]', 'a'],
    ['a', 'A'],
    ['a*b?', 'ab'],
  ])('%s does not match %j', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(false)
  })

  test('case counts unless told', () => {
    expect(matchesGlob('LUNC?*', 'lunches', { ignoreCase: true })).toBe(true)
    expect(matchesGlob('ÄB*', 'äbc', { ignoreCase: true })).toBe(true)
    expect(matchesGlob('LUNC*', 'lunches')).toBe(false)
  })

  test('agrees with a plain definition by recursion', () => {
    const naive = (pattern: string, text: string): boolean => {
      if (pattern === '') return text === ''
      if (pattern.startsWith('*'))
        return naive(pattern.slice(1), text) || (text !== '' && naive(pattern, text.slice(1)))
      return (
        text !== '' && (pattern.startsWith('?') || pattern[0] === text[0]) && naive(pattern.slice(1), text.slice(1))
      )
    }
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
    fc.assert(
      fc.property(pattern, text, (p, t) => matchesGlob(p, t) === naive(p, t)),
      { numRuns: 3000 },
    )
  })

  test('patterns longer than a machine word match', () => {
    const text = 'abcdefghij'.repeat(20)
    expect(matchesGlob(`${'?'.repeat(199)}j`, text)).toBe(true)
    expect(matchesGlob(`${'?'.repeat(199)}i`, text)).toBe(false)
    expect(matchesGlob(`*${'bcde?ghija'.repeat(15)}*`, text)).toBe(true)
  })
})

describe('within words', () => {
  test.each([
    ['ex*ple', 'An example event.'],
    ['ex*ple', 'exple'],
    ['ex*ple', 'An exciting triple-whammy'],
    ['bob', 'Bob'],
    ['bob', 'hi BOB!'],
    ['bob', 'bob'],
    ['@room', 'hey @room'],
    ['@room', 'hey@room'],
    ['b?b', 'a bob b'],
    ['*', ''],
    ['bob', 'xbob bob'],
    ['a b', 'a b'],
    ['bob', 'ébob'],
    ['b*', 'a b'],
    ['*b', 'ab c'],
    ['b?*b', 'x_b bxb.'],
  ])('%s matches in %j', (pattern, text) => {
    expect(compileWordGlob(pattern).matches(text)).toBe(true)
  })

  test.each([
    ['bob', 'bobby'],
    ['bob', 'xbob'],
    ['bob', 'b0b'],
    ['bob', 'bob_'],
    ['ex*ple', 'anexample'],
    ['b?b', 'bobs'],
    ['b?b', 'xbob'],
    ['b*d', 'bdx'],
  ])('%s does not match in %j', (pattern, text) => {
    expect(compileWordGlob(pattern).matches(text)).toBe(false)
  })

  test('agrees with a plain definition over all parts of the text', () => {
    const isBoundary = (text: string, at: number): boolean =>
      at === 0 || at === text.length || /\W/.test(text.charAt(at)) || /\W/.test(text.charAt(at - 1))
    const naive = (pattern: string, text: string): boolean => {
      for (let from = 0; from <= text.length; from++) {
        for (let to = from; to <= text.length; to++) {
          if (isBoundary(text, from) && isBoundary(text, to) && matchesGlob(pattern, text.slice(from, to))) return true
        }
      }
      return false
    }
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', ' '), minLength: 1, maxLength: 6 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-'), maxLength: 9 })
    fc.assert(
      fc.property(pattern, text, (p, t) => compileWordGlob(p).matches(t) === naive(p, t)),
      { numRuns: 3000 },
    )
  })
})

describe('time', () => {
  const text = `${'a'.repeat(65_000)}b`
  test.each([
    '*a*a*a*a*a*a*',
    '*a*a*a*a*a*a*c',
    '*a?a?a?a?a?*c',
    `${'a'.repeat(1000)}c`,
    'a'.repeat(1000),
    `*${'a'.repeat(500)}?c*`,
    '?a*'.repeat(300),
  ])('hostile pattern %s on 65,000 characters', (pattern) => {
    const start = performance.now()
    compileGlob(pattern).matches(text)
    compileWordGlob(pattern).matches(text)
    expect(performance.now() - start).toBeLessThan(150)
  })
})
