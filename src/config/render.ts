import { stringify } from 'yaml'
import type * as z from 'zod'
import { type FieldMeta, metaOf, toYamlValue } from './fields.js'
import { hasContent } from './raw.js'
import { configSchema, type MutableConfig } from './schema.js'

/** Values in the words of the file: durations and sizes as text. */
export interface YamlTree {
  [key: string]: unknown
}

export interface RenderOptions {
  /** With each key's documentation above it. */
  readonly comments: boolean
  /** Lines of remarks above single keys (`global.database`). */
  readonly remarks?: ReadonlyMap<string, readonly string[]>
}

/** What the sample file says: defaults, and examples where a default would say nothing. */
export function sampleValues(): YamlTree {
  return initialOf(metaOf(configSchema)) as YamlTree
}

/** A typed configuration in the words of the file. */
export function valuesOf(config: MutableConfig): YamlTree {
  return wordsOf(metaOf(configSchema), config) as YamlTree
}

/**
 * A file of version 2. Keys without effect, and those that other keys replace, are left out unless they hold something else than
 * their default.
 */
export function renderYaml(values: YamlTree, options: RenderOptions): string {
  const out: string[] = []
  const top = metaOf(configSchema)
  for (const [key, field] of Object.entries(top.shape ?? {})) {
    const meta = metaOf(field)
    if (!isShown(meta, values[key])) continue
    if (out.length > 0) out.push('')
    emitField(out, { key, path: key, meta, value: values[key], indent: '', options })
  }
  return `${out.join('\n')}\n`
}

/** `config/dendrite.yaml`. */
export function renderSample(): string {
  const head = [
    "Neurite's configuration: the format is Dendrite's version 2.",
    'Every key has a default; docs/configuration.md lists them all, and the environment variables that set them.',
    'Durations are written like 168h, 1h30m or 500ms, sizes like 1gb or 512mb. Relative paths start at the working directory.',
    'This file is generated from the schema in src/config.',
  ]
  return `${head.map((line) => `# ${line}`).join('\n')}\n\n${renderYaml(sampleValues(), { comments: true })}`
}

function initialOf(meta: FieldMeta): unknown {
  if (meta.sample !== undefined && meta.unused === undefined) return meta.sample
  if (meta.shape === undefined) return meta.initial
  return Object.fromEntries(Object.entries(meta.shape).map(([key, field]) => [key, initialOf(metaOf(field))]))
}

function wordsOf(meta: FieldMeta, value: unknown): unknown {
  const { item, shape } = meta
  if (item !== undefined && Array.isArray(value)) return value.map((one) => wordsOf(metaOf(item), one))
  if (shape === undefined || typeof value !== 'object' || value === null) return toYamlValue(meta, value)
  return Object.fromEntries(
    Object.entries(shape).map(([key, field]) => [key, wordsOf(metaOf(field), (value as YamlTree)[key])]),
  )
}

function isShown(meta: FieldMeta, value: unknown): boolean {
  if (meta.unused === undefined && meta.hidden !== true) {
    return meta.shape === undefined || shownFields(meta.shape, value).length > 0
  }
  return !isDefault(meta, value)
}

function shownFields(shape: Readonly<Record<string, z.ZodType>>, value: unknown): [string, FieldMeta][] {
  const values = (value ?? {}) as YamlTree
  return Object.entries(shape)
    .map(([key, field]): [string, FieldMeta] => [key, metaOf(field)])
    .filter(([key, meta]) => isShown(meta, values[key]))
}

function isDefault(meta: FieldMeta, value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (meta.kind === 'opaque') return !hasContent(value)
  if (meta.shape !== undefined) {
    return Object.entries(meta.shape).every(([key, field]) => isDefault(metaOf(field), (value as YamlTree)[key]))
  }
  const isInitial = JSON.stringify(value) === JSON.stringify(meta.initial)
  return isInitial || (meta.kind === 'duration' && value === '0s' && meta.initial === '')
}

interface Emitted {
  readonly key: string
  readonly path: string
  readonly meta: FieldMeta
  readonly value: unknown
  readonly indent: string
  readonly options: RenderOptions
}

function emitField(out: string[], { key, path, meta, value, indent, options }: Emitted): void {
  if (options.comments) for (const line of meta.doc.split('\n')) out.push(`${indent}# ${line}`)
  for (const line of options.remarks?.get(path) ?? []) out.push(`${indent}# ${line}`)
  if (meta.shape !== undefined) {
    out.push(`${indent}${key}:`)
    emitSection(out, meta, { path, value, indent: `${indent}  `, options })
  } else if (meta.item !== undefined && Array.isArray(value) && value.length > 0) {
    out.push(`${indent}${key}:`)
    for (const item of value) emitItem(out, metaOf(meta.item), { path, value: item, indent: `${indent}  ` })
  } else if (meta.kind === 'opaque' && typeof value === 'object' && value !== null) {
    out.push(`${indent}${key}:`, ...block(value).map((line) => `${indent}  ${line}`))
  } else {
    out.push(`${indent}${key}: ${scalar(value)}`)
  }
}

type EmittedValue = Pick<Emitted, 'path' | 'value' | 'indent' | 'options'>

function emitSection(out: string[], meta: FieldMeta, { path, value, indent, options }: EmittedValue): void {
  const values = (value ?? {}) as YamlTree
  for (const [key, field] of shownFields(meta.shape ?? {}, value)) {
    if (values[key] === undefined) continue
    // A blank line sets a documented section apart from what stands before it.
    if (options.comments && field.shape !== undefined && indent === '  ') out.push('')
    emitField(out, { key, path: `${path}.${key}`, meta: field, value: values[key], indent, options })
  }
}

/** Items of a list carry no comments: the list's own says what they are. */
function emitItem(out: string[], meta: FieldMeta, { path, value, indent }: Omit<EmittedValue, 'options'>): void {
  if (meta.shape === undefined) {
    out.push(`${indent}- ${scalar(value)}`)
    return
  }
  const lines: string[] = []
  const given = withoutEmpty((value ?? {}) as YamlTree)
  for (const [key, field] of Object.entries(meta.shape)) {
    if (!(key in given) || (metaOf(field).shape !== undefined && isDefault(metaOf(field), given[key]))) continue
    emitField(lines, {
      key,
      path,
      meta: metaOf(field),
      value: given[key],
      indent: '',
      options: { comments: false },
    })
  }
  out.push(...lines.map((line, index) => `${indent}${index === 0 ? '- ' : '  '}${line}`))
}

function withoutEmpty(values: YamlTree): YamlTree {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '')
  return Object.fromEntries(given.map(([key, value]) => [key, isTree(value) ? withoutEmpty(value) : value]))
}

function isTree(value: unknown): value is YamlTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function block(value: unknown): string[] {
  return stringify(value, { lineWidth: 0, version: '1.1' }).trimEnd().split('\n')
}

/** Quoted so that readers of YAML 1.1 (Go's, Perl's) and 1.2 agree. */
function scalar(value: unknown): string {
  if (value === undefined || value === null) return '""'
  if (Array.isArray(value)) return '[]'
  if (typeof value !== 'string') return String(value)
  return /[\n\r\t\x00-\x1f]/.test(value)
    ? JSON.stringify(value)
    : stringify(value, {
        lineWidth: 0,
        version: '1.1',
        defaultStringType: value === '' ? 'QUOTE_DOUBLE' : 'PLAIN',
      }).trimEnd()
}
