import { readFileSync } from 'node:fs'
import type * as z from 'zod'
import type { Problem } from './config-error.js'
import { type FieldMeta, metaOf } from './fields.js'
import { getRaw, type Raw, type RawMap, setRaw, showPath, textOf } from './raw.js'
import { configSchema } from './schema.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** A key that a variable of the environment can set. */
export interface EnvironmentKey {
  readonly name: string
  readonly path: readonly string[]
  readonly meta: FieldMeta
}

/** Short names for what nearly everybody sets. The long name wins where both are there. */
const SHORT_NAMES: Record<string, readonly string[]> = {
  DATABASE_URL: ['global', 'database', 'connection_string'],
  NEURITE_SERVER_NAME: ['global', 'server_name'],
  NEURITE_DATA_DIR: ['global', 'data_dir'],
}

/** Read by the program without being keys of the file. */
const OTHER_NAMES = new Set(['NEURITE_HTTP_BIND_ADDRESS'])

const SCALARS = new Set(['text', 'flag', 'integer', 'duration', 'size', 'path'])

/** Every scalar key and every list of scalars, with the name of its variable. */
export function environmentKeys(): EnvironmentKey[] {
  const keys: EnvironmentKey[] = []
  const visit = (type: z.ZodType, path: readonly string[]): void => {
    const meta = metaOf(type)
    const settable =
      SCALARS.has(meta.kind) || (meta.kind === 'list' && meta.item && SCALARS.has(metaOf(meta.item).kind))
    if (settable && path[0] !== 'version') keys.push({ name: `NEURITE_${path.join('_').toUpperCase()}`, path, meta })
    for (const [key, child] of Object.entries(meta.shape ?? {})) visit(child, [...path, key])
  }
  visit(configSchema, [])
  return keys
}

export interface Overrides {
  readonly problems: Problem[]
  readonly notices: string[]
  readonly warnings: string[]
  /** Key path (as shown) to the variable that set it. */
  readonly origins: ReadonlyMap<string, string>
}

/** Writes the environment's values into `root`. Empty variables count as unset. */
export function applyEnvironment(root: RawMap, env: Environment): Overrides {
  const problems: Problem[] = []
  const notices: string[] = []
  const origins = new Map<string, string>()
  const known = new Set(OTHER_NAMES)
  const byPath = new Map(environmentKeys().map((key) => [showPath(key.path), key]))
  const short = Object.entries(SHORT_NAMES).flatMap(([name, path]): EnvironmentKey[] => {
    const key = byPath.get(showPath(path))
    return key === undefined ? [] : [{ ...key, name }]
  })
  // The long names come last, so that they win.
  for (const key of [...short, ...byPath.values()]) {
    known.add(key.name)
    if (key.meta.secret) known.add(`${key.name}_FILE`)
    const given = givenValue(key, env, problems)
    if (given === undefined) continue
    const shown = showPath(key.path)
    const before = getRaw(root, key.path)
    if (!setRaw(root, key.path, toRaw(key.meta, given.text))) {
      problems.push({
        place: given.origin,
        key: shown,
        found: 'a value instead of a section in the file',
        allowed: 'a section',
      })
      continue
    }
    const earlier = origins.get(shown)
    origins.set(shown, given.origin)
    const old = textOf(before)
    if (old !== undefined && old !== '' && old !== given.text) {
      const loser = earlier === undefined ? 'what the configuration file says' : earlier
      notices.push(`${shown} is taken from ${given.origin}, not from ${loser}`)
    }
  }
  const unknown = Object.keys(env).filter((name) => name.startsWith('NEURITE_') && !known.has(name))
  const warnings = unknown.length === 0 ? [] : [`unknown environment variables: ${unknown.sort().join(', ')}`]
  return { problems, notices, warnings, origins }
}

function toRaw(meta: FieldMeta, given: string): Raw {
  if (meta.kind !== 'list') return given
  return given
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function givenValue(
  key: EnvironmentKey,
  env: Environment,
  problems: Problem[],
): { readonly text: string; readonly origin: string } | undefined {
  const direct = env[key.name]
  const origin = `environment variable ${key.name}`
  if (!key.meta.secret) return direct === undefined || direct === '' ? undefined : { text: direct, origin }
  const fileName = `${key.name}_FILE`
  const file = env[fileName]
  if (file === undefined || file === '')
    return direct === undefined || direct === '' ? undefined : { text: direct, origin }
  const place = `environment variable ${fileName}`
  const refuse = (found: string, allowed: string): undefined => {
    problems.push({ place, key: showPath(key.path), found, allowed })
    return undefined
  }
  if (direct !== undefined && direct !== '') return refuse(`${key.name} beside it`, 'one of the two')
  try {
    const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    return text === '' ? refuse(`an empty file ${file}`, 'a file with the secret') : { text, origin: place }
  } catch (error) {
    return refuse(
      `${file}, which cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
      'a file that can be read',
    )
  }
}
