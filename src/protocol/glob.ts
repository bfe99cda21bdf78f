/**
 * Globs of the specification (appendices "Glob-style matching"): `*` is any run of characters, `?` is exactly one, all
 * else is itself. No RegExp is made of what users send: that is how one rule stops a server.
 *
 * Without `?` a glob is literal pieces that are searched one after the other, each at its first place. With `?` it runs
 * as a bit-parallel automaton over code points, 32 characters of the pattern to a word, whatever the text.
 */
export interface GlobOptions {
  /** Both sides are lower-cased, independent of any language. */
  readonly ignoreCase?: boolean
}

/** A glob prepared for many texts. */
export interface Glob {
  matches(text: string): boolean
}

/** The whole text has to match. */
export function compileGlob(pattern: string, options: GlobOptions = {}): Glob {
  return compile(pattern, options.ignoreCase ?? false, NOWHERE)
}

export function matchesGlob(pattern: string, text: string, options: GlobOptions = {}): boolean {
  return compileGlob(pattern, options).matches(text)
}

/**
 * The variant of push rules for `content.body`: some part of the text that begins and ends at a word boundary has to
 * match. Case does not matter unless told. Client-server API, push "Conditions", `event_match`.
 */
export function compileWordGlob(pattern: string, options: GlobOptions = {}): Glob {
  return compile(pattern, options.ignoreCase ?? true, isWordBoundary)
}

/** Whether a match may begin or end at an index that is neither the start nor the end of the text. */
type Boundary = (text: string, index: number) => boolean

const NOWHERE: Boundary = () => false

const isWordBoundary: Boundary = (text, index) =>
  !isWordUnit(text.charCodeAt(index - 1)) || !isWordUnit(text.charCodeAt(index))

function isWordUnit(unit: number): boolean {
  const letter = unit | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f
}

function compile(pattern: string, ignoreCase: boolean, boundary: Boundary): Glob {
  const wanted = ignoreCase ? pattern.toLowerCase() : pattern
  const match = wanted.includes('?') ? automaton(wanted, boundary) : pieces(wanted, boundary)
  return { matches: (text) => match(ignoreCase ? text.toLowerCase() : text) }
}

type Match = (text: string) => boolean

function mayBreak(text: string, index: number, boundary: Boundary): boolean {
  return index === 0 || index === text.length || boundary(text, index)
}

/** A glob without `?`. Taking each piece at its first place is right, since a later place leaves less for the rest. */
function pieces(pattern: string, boundary: Boundary): Match {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => findWhole(text, first, boundary)
  const middle = rest.filter((piece) => piece !== '')
  return (text) => {
    let at = findFirst(text, first, boundary)
    for (const piece of middle) {
      if (at === -1) return false
      const found = text.indexOf(piece, at)
      at = found === -1 ? -1 : found + piece.length
    }
    return at !== -1 && hasLast(text, last, at, boundary)
  }
}

function findWhole(text: string, piece: string, boundary: Boundary): boolean {
  if (boundary === NOWHERE) return text === piece
  for (let at = text.indexOf(piece); at !== -1; at = text.indexOf(piece, at + 1)) {
    if (mayBreak(text, at, boundary) && mayBreak(text, at + piece.length, boundary)) return true
    if (at === text.length) return false
  }
  return false
}

/** Index behind the first place of the piece that begins at a boundary, or -1. */
function findFirst(text: string, piece: string, boundary: Boundary): number {
  if (boundary === NOWHERE) return text.startsWith(piece) ? piece.length : -1
  for (let at = text.indexOf(piece); at !== -1; at = text.indexOf(piece, at + 1)) {
    if (mayBreak(text, at, boundary)) return at + piece.length
  }
  return -1
}

/** Whether the piece is found at or behind `from` and ends at a boundary. */
function hasLast(text: string, piece: string, from: number, boundary: Boundary): boolean {
  if (text.length - piece.length >= from && text.endsWith(piece)) return true
  if (boundary === NOWHERE) return false
  for (let at = text.indexOf(piece, from); at !== -1; at = text.indexOf(piece, at + 1)) {
    if (mayBreak(text, at + piece.length, boundary)) return true
  }
  return false
}

/**
 * State i stands for "the first i characters of the pattern have matched". One bit each; a `*` before character i lets
 * state i stay where it is on any character.
 */
function automaton(pattern: string, boundary: Boundary): Match {
  const characters: string[] = []
  const starsBefore = new Set<number>()
  for (const character of pattern) {
    if (character === '*') starsBefore.add(characters.length)
    else characters.push(character)
  }
  const words = (characters.length >> 5) + 1
  const stay = new Uint32Array(words)
  for (const state of starsBefore) setBit(stay, state)
  const anyMask = new Uint32Array(words)
  for (const [index, character] of characters.entries()) if (character === '?') setBit(anyMask, index + 1)
  const masks = new Map<string, Uint32Array>()
  for (const [index, character] of characters.entries()) {
    if (character === '?') continue
    const mask = masks.get(character) ?? anyMask.slice()
    setBit(mask, index + 1)
    masks.set(character, mask)
  }

  return (text) => {
    const states = new Uint32Array(words)
    let index = 0
    for (const character of text) {
      if (mayBreak(text, index, boundary)) setBit(states, 0)
      if (index > 0 && boundary !== NOWHERE && hasBit(states, characters.length) && mayBreak(text, index, boundary)) {
        return true
      }
      step(states, stay, masks.get(character) ?? anyMask)
      index += character.length
    }
    return hasBit(states, characters.length) || (index === 0 && characters.length === 0)
  }
}

function step(states: Uint32Array, stay: Uint32Array, mask: Uint32Array): void {
  let carry = 0
  for (let word = 0; word < states.length; word++) {
    const before = states[word] ?? 0
    states[word] = (((before << 1) | carry) & (mask[word] ?? 0)) | (before & (stay[word] ?? 0))
    carry = before >>> 31
  }
}

function setBit(bits: Uint32Array, index: number): void {
  bits[index >> 5] = (bits[index >> 5] ?? 0) | (1 << (index & 31))
}

function hasBit(bits: Uint32Array, index: number): boolean {
  return ((bits[index >> 5] ?? 0) & (1 << (index & 31))) !== 0
}
