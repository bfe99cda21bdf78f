import * as z from 'zod'
import { hasContent, isRawMap, PlainScalar, type Raw, type RawMap, textOf, unwrapRaw } from './raw.js'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.js'

/**
 * The building blocks of the schema. Each field knows its type, its default and its line of documentation; the loader, the sample
 * file and the reference page are all driven by that. An absent, empty (`key:`) and null value always mean the default.
 */
export interface FieldMeta {
  readonly kind: 'section' | 'list' | 'text' | 'flag' | 'integer' | 'duration' | 'size' | 'path' | 'opaque'
  /** Lines of at most about 110 characters, for the sample's comments. */
  readonly doc: string
  /** What is allowed, in words: for errors and for the reference. */
  readonly allowed: string
  /** The default as it is written in YAML; undefined: it has to be given, null: nothing. */
  readonly initial: unknown
  /** Shown in the sample instead of the default. */
  readonly sample?: unknown
  readonly secret?: boolean
  /** Accepted but without effect, and why. A value other than the default is named in the warning at start. */
  readonly unused?: string
  /** Not in the sample and the reference: what other parts of the file say replaces it. */
  readonly hidden?: boolean
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly item?: z.ZodType
}

const metadata = new WeakMap<z.ZodType, FieldMeta>()

function describe<T>(type: unknown, meta: FieldMeta): z.ZodType<T> {
  const described = type as z.ZodType<T>
  metadata.set(described, meta)
  return described
}

/** Throws for a type that was not made by this module. */
export function metaOf(type: z.ZodType): FieldMeta {
  const meta = metadata.get(type)
  if (meta === undefined) throw new Error('a configuration field without metadata')
  return meta
}

interface Options<T> {
  readonly sample?: T
  readonly secret?: boolean
  readonly unused?: string
  readonly hidden?: boolean
}

const REFUSED = Symbol('refused')

function field<T>(
  meta: FieldMeta,
  initial: T | typeof REFUSED,
  read: (raw: unknown) => T | typeof REFUSED,
): z.ZodType<T> {
  const type = z.unknown().transform((raw, ctx): T => {
    const value = raw === undefined || raw === null ? initial : read(raw)
    if (value !== REFUSED) return value
    ctx.addIssue({ code: 'custom', message: meta.allowed })
    return z.NEVER
  })
  return describe<T>(type, meta)
}

/** Text; `accepts` says which. The empty text is the default. */
export function text(
  initial: string,
  doc: string,
  options: Options<string> & { allowed?: string; accepts?: (text: string) => boolean } = {},
): z.ZodType<string> {
  const { allowed = 'text', accepts = () => true, ...rest } = options
  return field<string>({ kind: 'text', doc, allowed, initial, ...rest }, initial, (raw) => {
    const found = textOf(raw)
    if (found === undefined) return REFUSED
    if (found === '' || found === initial) return initial
    return accepts(found) ? found : REFUSED
  })
}

/** Text that is read into something else (an identifier with a type of its own) and has to be there. */
export function required<T>(
  doc: string,
  options: Options<string> & { allowed: string; read: (text: string) => T | undefined },
): z.ZodType<T> {
  const { allowed, read, ...rest } = options
  return field<T>({ kind: 'text', doc, allowed, initial: undefined, ...rest }, REFUSED, (raw) => {
    const found = textOf(raw)
    return found === undefined ? REFUSED : (read(found) ?? REFUSED)
  })
}

/** One of `values`; `aliases` are other words for them. Case does not matter. */
export function choice<const T extends string>(
  values: readonly T[],
  initial: NoInfer<T>,
  doc: string,
  options: Options<T> & { aliases?: Readonly<Record<string, NoInfer<T>>> } = {},
): z.ZodType<T> {
  const { aliases = {}, ...rest } = options
  const words = new Map<string, T>([
    ...Object.entries<T>(aliases),
    ...values.map((value): [string, T] => [value, value]),
  ])
  const allowed = `one of ${values.filter((value) => value !== '').join(', ')}`
  return field<T>({ kind: 'text', doc, allowed, initial, ...rest }, initial, (raw) => {
    const found = textOf(raw)
    return found === '' ? initial : (words.get(found?.toLowerCase() ?? '') ?? REFUSED)
  })
}

const FLAGS = new Map([
  ...['true', 'yes', 'on', 'y'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', 'n'].map((word) => [word, false] as const),
])

/** `yes`, `on` and the like are what YAML 1.1 (Go's reader, Perl's) calls booleans. */
export function flag(initial: boolean, doc: string, options: Options<boolean> = {}): z.ZodType<boolean> {
  return field<boolean>({ kind: 'flag', doc, allowed: 'true or false', initial, ...options }, initial, (raw) => {
    if (raw instanceof PlainScalar && typeof raw.value === 'boolean') return raw.value
    if (typeof raw === 'boolean') return raw
    return (typeof raw === 'string' ? FLAGS.get(raw.toLowerCase()) : undefined) ?? REFUSED
  })
}

export function integer(
  initial: number,
  doc: string,
  options: Options<number> & { min?: number; max?: number } = {},
): z.ZodType<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, ...rest } = options
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
  return field<number>(
    { kind: 'integer', doc, allowed: `a whole number ${range}`, initial, ...rest },
    initial,
    (raw) => {
      const found = textOf(raw)?.trim()
      if (found === '') return initial
      if (found === undefined || !/^[+-]?\d+$/.test(found)) return REFUSED
      const value = Number(found)
      return Number.isSafeInteger(value) && value >= min && value <= max ? value : REFUSED
    },
  )
}

/** Gives milliseconds. Zero and more. */
export function duration(initial: string, doc: string, options: Options<string> = {}): z.ZodType<number> {
  const fallback = parseDuration(initial) ?? 0
  const allowed = 'a duration such as 168h, 1h30m or 500ms, or a number of seconds'
  return field<number>({ kind: 'duration', doc, allowed, initial, ...options }, fallback, (raw) => {
    const found = textOf(raw)
    if (found === '') return fallback
    const ms = found === undefined ? undefined : parseDuration(found)
    return ms !== undefined && ms >= 0 ? ms : REFUSED
  })
}

/** Gives bytes; null: not said. */
export function optionalSize(doc: string, options: Options<string> = {}): z.ZodType<number | null> {
  const meta = { kind: 'size', doc, allowed: 'a size such as 1gb, 512mb or a number of bytes', initial: null } as const
  return field<number | null>({ ...meta, ...options }, null, (raw) => {
    const found = textOf(raw)
    if (found === '') return null
    return (found === undefined ? undefined : parseSize(found)) ?? REFUSED
  })
}

/** A file or folder; made absolute against the working directory after validation. Empty: not given. */
export function path(initial: string, doc: string, options: Options<string> = {}): z.ZodType<string> {
  return field<string>(
    { kind: 'path', doc, allowed: 'a path', initial, ...options },
    initial,
    (raw) => textOf(raw) || (raw === '' ? initial : REFUSED),
  )
}

/** Whatever stands there, as plain data; null where that says nothing. */
export function opaque(doc: string, options: Options<unknown> = {}): z.ZodType<unknown> {
  const meta = { kind: 'opaque', doc, allowed: 'anything', initial: null } as const
  return field<unknown>({ ...meta, ...options }, null, (raw) => {
    const value = unwrapRaw(raw as Raw)
    return hasContent(value) ? value : null
  })
}

export function list<Item extends z.ZodType>(
  item: Item,
  initial: readonly unknown[],
  doc: string,
  options: Options<readonly unknown[]> = {},
): z.ZodType<z.output<Item>[]> {
  const meta = metaOf(item)
  const allowed = meta.kind === 'section' ? 'a list of sections' : `a list, each item ${meta.allowed}`
  const type = z.preprocess((raw) => raw ?? initial, z.array(item, { error: allowed }))
  return describe<z.output<Item>[]>(type, {
    kind: 'list',
    doc,
    allowed,
    initial,
    item,
    ...options,
  })
}

type Shape = Readonly<Record<string, z.ZodType>>

export function section<S extends Shape>(
  doc: string,
  shape: S,
  options: { unused?: string; hidden?: boolean } = {},
): z.ZodType<{ [Key in keyof S]: z.output<S[Key]> }> {
  const allowed = 'a section: keys with their values'
  const complete = (raw: unknown): unknown => {
    if (raw instanceof PlainScalar) return raw.source
    if (raw !== undefined && raw !== null && !isRawMap(raw)) return raw
    // Every key is present, so that each field decides what its absence means.
    const filled: RawMap = Object.create(null) as RawMap
    for (const key of Object.keys(shape)) filled[key] = raw?.[key] ?? null
    return filled
  }
  const type = z.preprocess(complete, z.object(shape, { error: allowed }))
  return describe<{ [Key in keyof S]: z.output<S[Key]> }>(type, {
    kind: 'section',
    doc,
    allowed,
    initial: {},
    shape,
    ...options,
  })
}

/** A typed value in the words of the file. */
export function toYamlValue(meta: FieldMeta, value: unknown): unknown {
  if (meta.kind === 'duration' && typeof value === 'number') return formatDuration(value)
  if (meta.kind === 'size' && typeof value === 'number') return formatSize(value)
  return value
}
