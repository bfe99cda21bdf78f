import { endOfString, isLossy, readLossless } from './reader.js'
import { isJsonObject, isWellFormed, JsonError, type JsonObject, type JsonValue, LosslessNumber } from './value.js'

export interface ParseOptions {
  /** Levels of arrays and objects; 100 unless told. */
  readonly maxDepth?: number
  /** Refuses every number that is not an integer within +-(2^53 - 1) in its shortest form. */
  readonly strict?: boolean
}

export const DEFAULT_MAX_DEPTH = 100

/**
 * For what holds events of many servers (transactions, states, auth chains): one event that is nested too deep is refused
 * by `parsePdu`, and must not take the others with it. Far below what overflows the stack.
 */
export const FEDERATION_MAX_DEPTH = 1000

/** Deeper than anything `parseJson` lets in by default, so that what is stored can always be read again. */
const STORED_MAX_DEPTH = 256

// A byte order mark is not white space in JSON: left in the text it is refused there.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses JSON without loss and without ambiguity. Objects come without a prototype.
 *
 * One cheap scan finds what `JSON.parse` would hide (depth, duplicate keys by counting members, numbers that a double
 * changes); only texts with such numbers are read by the slow reader.
 *
 * @throws JsonError M_NOT_JSON for what is not UTF-8 or not JSON (NaN and Infinity among it) or nested too deep,
 *   M_BAD_JSON for duplicate keys, lone surrogates and, with `strict`, numbers that Matrix does not allow
 */
export function parseJson(input: Uint8Array | string, options: ParseOptions = {}): JsonValue {
  const text = typeof input === 'string' ? input : decode(input)
  const outline = scan(text, options.maxDepth ?? DEFAULT_MAX_DEPTH)
  const parsed = parseNatively(text)
  const strict = options.strict ?? false
  if (strict && outline.lossyNumbers) throw new JsonError('M_BAD_JSON', 'A number is not a canonical integer')
  const walk: Walk = {
    members: 0,
    strict,
    // A text that came as bytes is well-formed, so that only an escape can make a lone surrogate.
    checkStrings: text.includes('\\ud') || text.includes('\\uD') || (typeof input === 'string' && !isWellFormed(text)),
  }
  settle(parsed, walk)
  if (walk.members !== outline.members) throw new JsonError('M_BAD_JSON', 'An object has the same key twice')
  return outline.lossyNumbers ? readLossless(text) : parsed
}

/** The same for a text that must hold an object. @throws JsonError M_BAD_JSON when it holds something else */
export function parseJsonObject(input: Uint8Array | string, options: ParseOptions = {}): JsonObject {
  const value = parseJson(input, options)
  if (!isJsonObject(value)) throw new JsonError('M_BAD_JSON', 'A JSON object is expected')
  return value
}

/** What `parseJson` once let in, read again from where it was stored. */
export function parseStoredJson(text: string): JsonValue {
  return parseJson(text, { maxDepth: STORED_MAX_DEPTH })
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new JsonError('M_NOT_JSON', 'Not valid UTF-8')
  }
}

function parseNatively(text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch {
    throw new JsonError('M_NOT_JSON', 'Not valid JSON')
  }
}

interface Outline {
  /** Colons outside strings: members of objects, repeated keys counted each time. */
  members: number
  lossyNumbers: boolean
}

/** Of a text that may still turn out not to be JSON. Linear; strings are skipped by native search. */
function scan(text: string, maxDepth: number): Outline {
  const outline: Outline = { members: 0, lossyNumbers: false }
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    switch (code) {
      case 0x22: // quotation mark
        at = endOfString(text, at)
        if (at === -1) throw new JsonError('M_NOT_JSON', 'Not valid JSON')
        break
      case 0x3a: // colon
        outline.members++
        break
      case 0x5b: // opening brackets
      case 0x7b:
        if (++depth > maxDepth) throw new JsonError('M_NOT_JSON', `Nested deeper than ${maxDepth} levels`)
        break
      case 0x5d: // closing brackets
      case 0x7d:
        depth--
        break
      default:
        if (code === 0x2d || isDigit(code)) {
          const end = endOfNumber(text, at)
          outline.lossyNumbers ||= isLossyToken(text, at, end)
          at = end - 1
        }
    }
  }
  return outline
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  while (end < text.length) {
    const code = text.charCodeAt(end)
    const isPart = isDigit(code) || code === 0x2e || code === 0x2d || code === 0x2b || (code | 0x20) === 0x65
    if (!isPart) break
    end++
  }
  return end
}

/** Short runs of digits are what nearly every number is: they cost no conversion. */
function isLossyToken(text: string, start: number, end: number): boolean {
  if (end - start <= 15 && text.charCodeAt(start) !== 0x2d) {
    let at = start
    while (at < end && isDigit(text.charCodeAt(at))) at++
    if (at === end) return false
  }
  return isLossy(text.slice(start, end))
}

interface Walk {
  members: number
  readonly strict: boolean
  readonly checkStrings: boolean
}

/** Takes the prototype from every object, counts members and checks what has to be checked. Depth is bounded by `scan`. */
function settle(value: JsonValue, walk: Walk): void {
  if (typeof value === 'string') {
    if (walk.checkStrings) checkString(value)
  } else if (typeof value === 'number') {
    if (walk.strict) checkInteger(value)
  } else if (Array.isArray(value)) {
    for (const element of value) settle(element, walk)
  } else if (isJsonObject(value)) {
    Object.setPrototypeOf(value, null)
    for (const key in value) {
      walk.members++
      if (walk.checkStrings) checkString(key)
      settle(value[key] ?? null, walk)
    }
  }
}

/** Whether a value has more levels of arrays and objects than that. Stops as soon as it has. */
export function isDeeperThan(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof LosslessNumber) return false
  if (levels === 0) return true
  return Object.values(value).some((member) => isDeeperThan(member, levels - 1))
}

function checkString(text: string): void {
  if (!isWellFormed(text)) throw new JsonError('M_BAD_JSON', 'A string has a lone surrogate')
}

function checkInteger(number: number): void {
  if (!Number.isSafeInteger(number)) throw new JsonError('M_BAD_JSON', 'A number is not an integer within +-(2^53 - 1)')
}
