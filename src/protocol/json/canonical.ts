import { CanonicalJsonError, isWellFormed, type JsonObject, type JsonValue, LosslessNumber } from './value.js'

export interface CanonicalOptions {
  /** As room versions from 6 on do: every number an integer within +-(2^53 - 1). Older events keep theirs. */
  readonly enforce?: boolean
}

/**
 * Canonical JSON (appendices "Canonical JSON"): no white space, keys by code point, shortest escapes.
 * Where the numbers are not enforced they are kept as they were written, as the server that hashed them saw them;
 * only what the specification's examples rewrite (`-0`, and integers with an exponent) is rewritten.
 *
 * @throws CanonicalJsonError for a number that is not finite, one that `enforce` does not allow, a lone surrogate
 */
export function canonicalJson(value: JsonValue, options: CanonicalOptions = {}): string {
  return write(value, true, options.enforce ?? false)
}

/** JSON text with keys in their given order and with numbers as they were written. @throws CanonicalJsonError as above */
export function stringifyJson(value: JsonValue): string {
  return write(value, false, false)
}

function write(value: JsonValue, sorted: boolean, enforce: boolean): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      return writeNumber(value, enforce)
    case 'boolean':
      return value ? 'true' : 'false'
    default:
      break
  }
  if (value === null) return 'null'
  if (value instanceof LosslessNumber) return sorted ? canonicalLexeme(value, enforce) : value.lexeme
  if (isArray(value)) {
    let text = ''
    for (const element of value)
      text += text === '' ? write(element, sorted, enforce) : `,${write(element, sorted, enforce)}`
    return `[${text}]`
  }
  let text = ''
  for (const key of sorted ? sortedKeys(value) : Object.keys(value)) {
    const member = value[key]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${quote(key)}:${write(member, sorted, enforce)}`
  }
  return `{${text}}`
}

/** `Array.isArray` does not narrow read-only arrays. */
function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/

/** A string in JSON. Escapes are the canonical ones: `JSON.stringify` has the same short forms and lower-case digits. */
export function quote(text: string): string {
  if (NEEDS_NO_ESCAPE.test(text)) return `"${text}"`
  if (!isWellFormed(text)) throw new CanonicalJsonError('A string has a lone surrogate')
  return JSON.stringify(text)
}

/** Own keys by code point. Most objects of the federation are sorted already, which is checked first. */
export function sortedKeys(object: JsonObject): string[] {
  const keys = Object.keys(object)
  let previous: string | undefined
  for (const key of keys) {
    if (previous !== undefined && compareCodePoints(previous, key) > 0) return keys.sort(compareCodePoints)
    previous = key
  }
  return keys
}

/** Orders strings by Unicode code point. JavaScript's own order is by UTF-16 unit: U+10000 before U+FFFF. */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at)
    const b = right.charCodeAt(at)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** Puts surrogates, which stand for code points beyond U+FFFF, above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function writeNumber(value: number, enforce: boolean): string {
  if (Number.isSafeInteger(value) && !(enforce && Object.is(value, -0))) return String(value)
  if (enforce) throw new CanonicalJsonError('A number is not an integer within +-(2^53 - 1)')
  if (!Number.isFinite(value)) throw new CanonicalJsonError('A number is not finite')
  return String(value)
}

const WHOLE_WITH_EXPONENT = /^-?[0-9]+[eE]\+?[0-9]+$/

function canonicalLexeme(number: LosslessNumber, enforce: boolean): string {
  const { lexeme } = number
  if (enforce) throw new CanonicalJsonError(`${lexeme.slice(0, 40)} is not an integer in its canonical form`)
  if (lexeme === '-0') return '0'
  const value = number.toNumber()
  return WHOLE_WITH_EXPONENT.test(lexeme) && Number.isSafeInteger(value) ? String(value + 0) : lexeme
}
