import { JsonError, type JsonObject, type JsonValue, LosslessNumber } from './value.js'

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

/**
 * Reads JSON that has passed `JSON.parse` (so its syntax is known to be good) and keeps every number that a double
 * would change. Recursion is bounded by the depth that the caller has checked.
 */
export function readLossless(text: string): JsonValue {
  const reader = new Reader(text)
  return reader.value()
}

class Reader {
  readonly text: string
  at = 0

  constructor(text: string) {
    this.text = text
  }

  value(): JsonValue {
    this.skipSpace()
    switch (this.text[this.at]) {
      case '{':
        return this.object()
      case '[':
        return this.array()
      case '"':
        return this.string()
      case 't':
        this.at += 4
        return true
      case 'f':
        this.at += 5
        return false
      case 'n':
        this.at += 4
        return null
      default:
        return this.number()
    }
  }

  private object(): JsonObject {
    const object: { [key: string]: JsonValue } = Object.create(null)
    this.at++
    while (this.next() !== '}') {
      const key = this.string()
      this.skipSpace()
      this.at++ // the colon
      object[key] = this.value()
      if (this.next() === ',') this.at++
    }
    this.at++
    return object
  }

  private array(): JsonValue[] {
    const array: JsonValue[] = []
    this.at++
    while (this.next() !== ']') {
      array.push(this.value())
      if (this.next() === ',') this.at++
    }
    this.at++
    return array
  }

  private string(): string {
    this.skipSpace()
    const end = endOfString(this.text, this.at)
    const token = this.text.slice(this.at, end + 1)
    this.at = end + 1
    return token.includes('\\') ? String(JSON.parse(token)) : token.slice(1, -1)
  }

  private number(): number | LosslessNumber {
    NUMBER.lastIndex = this.at
    const lexeme = NUMBER.exec(this.text)?.[0]
    if (lexeme === undefined) throw new JsonError('M_NOT_JSON', 'Not a JSON value')
    this.at += lexeme.length
    const number = Number(lexeme)
    return isLossy(lexeme) ? new LosslessNumber(lexeme) : number
  }

  private next(): string | undefined {
    this.skipSpace()
    return this.text[this.at]
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }
}

/** Index of the quote that ends the string whose opening quote is at `start`; -1 when there is none. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slash = end - 1
    while (text.charCodeAt(slash) === 0x5c) slash--
    if (((end - 1 - slash) & 1) === 0) return end
  }
  return -1
}

/** Whether a double, written out again, would be another text. */
export function isLossy(lexeme: string): boolean {
  return String(Number(lexeme)) !== lexeme
}
