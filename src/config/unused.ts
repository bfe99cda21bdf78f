import type * as z from 'zod'
import { type FieldMeta, metaOf } from './fields.js'
import { hasContent, isRawMap, type Raw, type RawMap, textOf, unwrapRaw } from './raw.js'
import { configSchema } from './schema.js'

/** A key that stands in the file and changes nothing, with the reason. */
export interface UnusedKey {
  readonly key: string
  readonly why: string
}

const UNKNOWN = 'unknown'
const OLD = 'of version 1'
/** Keys of version 1 that appear in any section. */
const OLD_KEYS = new Set(['internal_api', 'external_api', 'device_database', 'kafka'])

/** What is unknown, and what is known but without effect while it asks for something else than the default. */
export function unusedKeys(root: RawMap): UnusedKey[] {
  const found: UnusedKey[] = []
  visitSection(configSchema, root, '', found)
  return found
}

/** `a, b (reason); c (other reason)`: one line whatever the file holds. */
export function describeUnused(keys: readonly UnusedKey[]): string {
  const byReason = new Map<string, string[]>()
  for (const { key, why } of keys) byReason.set(why, [...(byReason.get(why) ?? []), key])
  return [...byReason].map(([why, names]) => `${names.join(', ')} (${why})`).join('; ')
}

function visitSection(type: z.ZodType, raw: Raw | undefined, path: string, found: UnusedKey[]): void {
  const { shape = {} } = metaOf(type)
  if (!isRawMap(raw)) return
  for (const [name, value] of Object.entries(raw)) {
    const key = path === '' ? name : `${path}.${name}`
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (field !== undefined) visit(field, value, key, found)
    else if (OLD_KEYS.has(name) || (path === 'app_service_api' && name === 'database')) found.push({ key, why: OLD })
    else found.push({ key, why: UNKNOWN })
  }
}

function visit(type: z.ZodType, raw: Raw | undefined, key: string, found: UnusedKey[]): void {
  const meta = metaOf(type)
  if (meta.unused !== undefined) {
    if (asksForSomething(type, meta, raw)) found.push({ key, why: meta.unused })
  } else if (meta.kind === 'section') {
    visitSection(type, raw, key, found)
  } else if (meta.kind === 'list' && meta.item !== undefined && Array.isArray(raw)) {
    for (const [index, item] of (raw as readonly Raw[]).entries()) visit(meta.item, item, `${key}[${index}]`, found)
  }
}

/** A value that equals the default, or says "off" in another way, is as good as honoured. */
function asksForSomething(type: z.ZodType, meta: FieldMeta, raw: Raw | undefined): boolean {
  if (raw === undefined || raw === null || raw === '') return false
  if (meta.kind === 'section' && isRawMap(raw)) {
    return Object.entries(raw).some(([name, value]) => {
      const field = Object.hasOwn(meta.shape ?? {}, name) ? meta.shape?.[name] : undefined
      return field === undefined || asksForSomething(field, metaOf(field), value)
    })
  }
  if (meta.kind === 'opaque' || (meta.kind === 'list' && Array.isArray(raw))) return hasContent(unwrapRaw(raw))
  const given = type.safeParse(raw)
  const initial = type.safeParse(null)
  // What is refused is reported as an error, not as a key without effect.
  return given.success && initial.success && given.data !== initial.data && textOf(raw) !== undefined
}
