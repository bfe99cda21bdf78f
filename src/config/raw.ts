/**
 * A configuration value before it has been validated. Plain scalars that YAML reads as numbers or booleans keep the text
 * they were written as: a password `0123` is text to whoever wrote it, and the schema knows which of the two is meant.
 */
export class PlainScalar {
  readonly value: number | boolean
  readonly source: string

  constructor(value: number | boolean, source: string) {
    this.value = value
    this.source = source
  }
}

export type Raw = string | PlainScalar | null | readonly Raw[] | RawMap
/** Null-prototype: keys come from a file. */
export interface RawMap {
  [key: string]: Raw | undefined
}

export type KeyPath = readonly (string | number)[]

export function isRawMap(raw: unknown): raw is RawMap {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) && !(raw instanceof PlainScalar)
}

export function emptyMap(): RawMap {
  return Object.create(null) as RawMap
}

export function getRaw(root: Raw | undefined, path: KeyPath): Raw | undefined {
  let at: Raw | undefined = root
  for (const step of path) {
    if (typeof step === 'number') at = Array.isArray(at) ? (at as readonly Raw[])[step] : undefined
    else at = isRawMap(at) ? at[step] : undefined
  }
  return at
}

/** Sections on the way that are missing, or empty, are made. Returns false where something else than a section stands in the way. */
export function setRaw(root: RawMap, path: readonly string[], value: Raw): boolean {
  let at = root
  for (const step of path.slice(0, -1)) {
    const next = at[step]
    if (isRawMap(next)) {
      at = next
    } else if (next === undefined || next === null) {
      const made = emptyMap()
      at[step] = made
      at = made
    } else {
      return false
    }
  }
  const last = path.at(-1)
  if (last !== undefined) at[last] = value
  return true
}

/** The text of a scalar as it was written, undefined for everything else. Defaults are numbers and booleans as they are. */
export function textOf(raw: unknown): string | undefined {
  if (typeof raw === 'string') return raw
  if (typeof raw === 'number' || typeof raw === 'boolean') return String(raw)
  return raw instanceof PlainScalar ? raw.source : undefined
}

/** Plain data for values that no schema describes. */
export function unwrapRaw(raw: Raw | undefined): unknown {
  if (raw instanceof PlainScalar) return raw.value
  if (Array.isArray(raw)) return (raw as readonly Raw[]).map(unwrapRaw)
  if (isRawMap(raw)) {
    const plain = Object.create(null) as Record<string, unknown>
    for (const [key, value] of Object.entries(raw)) plain[key] = unwrapRaw(value)
    return plain
  }
  return raw
}

/** What an error says was found; a secret is never shown. */
export function describeRaw(raw: Raw | undefined, secret: boolean): string {
  if (raw === undefined || raw === null) return 'nothing'
  if (Array.isArray(raw)) return 'a list'
  if (isRawMap(raw)) return 'a section'
  if (secret) return 'a value (not shown, it is a secret)'
  const text = textOf(raw) ?? ''
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text
  return typeof raw === 'string' ? JSON.stringify(shown) : shown
}

export function showPath(path: KeyPath): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('')
}

/** False for everything that says "nothing": null, false, empty text, and lists and sections of nothing else. */
export function hasContent(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object' && value !== null) return Object.values(value).some(hasContent)
  return value !== null && value !== undefined && value !== '' && value !== false
}
