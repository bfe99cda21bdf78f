/**
 * The one checked encoder between the program's values and SQL. PostgreSQL's text cannot hold NUL and Matrix's strings
 * can, so strings are stored in an injective form: U+0001 escapes itself and NUL. Two strings that differ only by NUL
 * stay two strings, and whatever is read back is what was written. All other strings are stored as they are.
 */
import pg from 'pg'
import { UnencodableText } from './database-error.js'
import type { SqlValue } from './statement.js'

const ESCAPE = '\u0001'
const NUL = '\u0000'

declare global {
  interface String {
    /** ES2024, present in every Node the program runs on: false when the string has a lone surrogate. */
    isWellFormed(): boolean
  }
}

/** Throws UnencodableText for a lone surrogate: Node would replace it and make two strings one. */
export function encodeText(text: string): string {
  if (!text.isWellFormed()) throw new UnencodableText('a string with a lone surrogate cannot be stored')
  if (!text.includes(NUL) && !text.includes(ESCAPE)) return text
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll(NUL, `${ESCAPE}0`)
}

export function decodeText(stored: string): string {
  if (!stored.includes(ESCAPE)) return stored
  return stored.replaceAll(`${ESCAPE}0`, NUL).replaceAll(`${ESCAPE}1`, ESCAPE)
}

/** What the driver sends for a bound value: text format, or bytes for a bytea. */
export function encodeValue(value: SqlValue): string | Buffer | null {
  if (typeof value === 'string') return encodeText(value)
  if (value === null) return null
  if (typeof value === 'number') return encodeNumber(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return encodeArray(value)
}

function encodeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot be bound to a statement`)
  return String(value)
}

function encodeArray(values: readonly (string | number | bigint | boolean | null)[]): string {
  const parts = new Array<string>(values.length)
  for (const [index, value] of values.entries()) parts[index] = encodeElement(value)
  return `{${parts.join(',')}}`
}

function encodeElement(value: string | number | bigint | boolean | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return encodeNumber(value)
  if (typeof value !== 'string') return String(value)
  const encoded = encodeText(value)
  if (!encoded.includes('"') && !encoded.includes('\\')) return `"${encoded}"`
  return `"${encoded.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** int8 columns hold positions and counts; one that a number cannot hold exactly is a fault, never rounded. */
export function decodeInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`the integer ${text} is not safe as a number`)
  return value
}

const OID = { int8: 20, text: 25, bpchar: 1042, varchar: 1043 } as const
const ARRAY_OID = { int8: 1016, text: 1009, bpchar: 1014, varchar: 1015 } as const

type Parser = (text: string) => unknown

/** The driver takes any oid; its published types name the built-in ones only, so one of them stands for all. */
function driverParser(oid: number): Parser {
  return pg.types.getTypeParser(oid as 25) as Parser
}

function arrayParser(element: Parser): Parser {
  const parseArray = driverParser(ARRAY_OID.text) as (text: string) => unknown[]
  const decode = (item: unknown): unknown => {
    if (typeof item === 'string') return element(item)
    return Array.isArray(item) ? item.map(decode) : item
  }
  return (text) => parseArray(text).map(decode)
}

const parsers = new Map<number, Parser>([
  [OID.int8, decodeInt8],
  [ARRAY_OID.int8, arrayParser(decodeInt8)],
  [OID.text, decodeText],
  [OID.bpchar, decodeText],
  [OID.varchar, decodeText],
  [ARRAY_OID.text, arrayParser(decodeText)],
  [ARRAY_OID.bpchar, arrayParser(decodeText)],
  [ARRAY_OID.varchar, arrayParser(decodeText)],
])

/** The parser of a column by its type's oid; types that are not named here keep the driver's own. */
export function parserOf(oid: number): Parser {
  return parsers.get(oid) ?? driverParser(oid)
}
