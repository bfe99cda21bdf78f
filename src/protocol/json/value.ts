export type JsonValue = null | boolean | number | string | LosslessNumber | readonly JsonValue[] | JsonObject

/** Parsed objects have no prototype: `constructor` and `__proto__` are keys like any other, or absent like any other. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A number that a JavaScript number would change: `1.0`, `1e3`, `-0`, 2^53+1, 1e400. Kept as it was written. */
export class LosslessNumber {
  readonly lexeme: string

  constructor(lexeme: string) {
    this.lexeme = lexeme
  }

  /** The nearest double; infinite for what is beyond its range. */
  toNumber(): number {
    return Number(this.lexeme)
  }

  toJSON(): number {
    return this.toNumber()
  }
}

/** Why a text is refused. `errcode` is what a client is told: not JSON at all, or JSON that Matrix does not allow. */
export class JsonError extends Error {
  readonly errcode: 'M_NOT_JSON' | 'M_BAD_JSON'

  constructor(errcode: 'M_NOT_JSON' | 'M_BAD_JSON', message: string) {
    super(message)
    this.name = 'JsonError'
    this.errcode = errcode
  }
}

/** A value that has no canonical form in a room version that enforces it. */
export class CanonicalJsonError extends JsonError {
  constructor(message: string) {
    super('M_BAD_JSON', message)
    this.name = 'CanonicalJsonError'
  }
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
}

const SURROGATE = /\p{Surrogate}/u

/** False for a string with a lone surrogate: it has no UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return !SURROGATE.test(text)
}
