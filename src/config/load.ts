import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type * as z from 'zod'
import { checkTogether } from './checks.js'
import { ConfigError, type Problem } from './config-error.js'
import { type RuleProblem, settleDatabase } from './database-rules.js'
import { applyEnvironment, type Environment } from './environment.js'
import { type FieldMeta, metaOf } from './fields.js'
import { moveOldSections } from './old-sections.js'
import { describeRaw, emptyMap, getRaw, isRawMap, type KeyPath, type RawMap, showPath, textOf } from './raw.js'
import { type Config, configSchema, type MutableConfig } from './schema.js'
import { describeUnused, unusedKeys } from './unused.js'
import { readYaml, type YamlFile } from './yaml-file.js'

export interface LoadOptions {
  /** As given by `-config`; without it `dendrite.yaml` in `cwd` is read where it exists. */
  readonly file?: string | undefined
  readonly env: Environment
  readonly cwd: string
  /** Bind addresses of this server, for recognising a proxy that is the server itself. */
  readonly listeners?: readonly string[] | undefined
}

export interface LoadedConfig {
  /** Complete, paths absolute, frozen all the way down. */
  readonly config: Config
  /** The file that was read, absolute; undefined when there is none. */
  readonly file: string | undefined
  /** One line each. The first one, where the file has any, names all keys without effect. */
  readonly warnings: readonly string[]
  /** One line each: which values the environment replaced. */
  readonly notices: readonly string[]
  /** NEURITE_HTTP_BIND_ADDRESS: the default of `-http-bind-address`. */
  readonly httpBindAddress: string | undefined
}

const DEFAULT_FILE = 'dendrite.yaml'
const DEFAULT_LISTENERS = [':8008', ':8448']

/**
 * File, then environment, then validation, then absolute paths, then freezing. Without any file the server is `localhost` with its data
 * in `./data`. Throws ConfigError, which names everything that is wrong at once.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { env, cwd } = options
  const name = options.file ?? (existsSync(join(cwd, DEFAULT_FILE)) ? DEFAULT_FILE : undefined)
  const source = name === undefined ? undefined : readSource(name, cwd)
  const file = name === undefined || source === undefined ? undefined : parseFile(source, name)
  const read = readConfig(file, name ?? '', options)
  const config = resolvePaths(read.config, cwd)
  return {
    config: deepFreeze(config),
    file: name === undefined ? undefined : resolve(cwd, name),
    warnings: read.warnings,
    notices: read.notices,
    httpBindAddress: env.NEURITE_HTTP_BIND_ADDRESS || undefined,
  }
}

/** What the schema says when nobody says anything: server `localhost`. */
export function defaultConfig(cwd: string = process.cwd()): Config {
  return deepFreeze(resolvePaths(readConfig(undefined, '', { env: {}, cwd }).config, cwd))
}

/** A file's text as the schema understands it: no environment, paths as they stand. Throws ConfigError. */
export function readConfigText(source: string, name: string, cwd: string): ReadConfig {
  return readConfig(parseFile(source, name), name, { env: {}, cwd })
}

/** The environment's variables, for those who may not read them themselves. */
export function processEnvironment(): Environment {
  return process.env
}

export function readSource(name: string, cwd: string): string {
  try {
    return readFileSync(resolve(cwd, name), 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error'
    const found = code === 'ENOENT' ? 'no such file' : `a file that cannot be read (${code})`
    throw new ConfigError([
      { place: name, key: '', found, allowed: 'a configuration file; `neurite generate-config` makes one' },
    ])
  }
}

function parseFile(source: string, name: string): YamlFile {
  const file = readYaml(source, name)
  if ('root' in file) {
    const version = textOf(file.root.version)
    if (version !== '2') throw new ConfigError([versionProblem(file, name, version)])
    return file
  }
  throw new ConfigError(file)
}

function versionProblem(file: YamlFile, name: string, version: string | undefined): Problem {
  const place = `${name}:${file.lineOf(['version'])}`
  const upgrade = `2; \`neurite upgrade-config ${name} > new.yaml\` converts a file of version 1`
  return { place, key: 'version', found: describeRaw(version ?? null, false), allowed: upgrade }
}

/** Validated, not yet resolved. */
export interface ReadConfig {
  readonly config: MutableConfig
  readonly warnings: string[]
  readonly notices: string[]
}

/** Changes `file.root` on the way. */
export function readConfig(file: YamlFile | undefined, name: string, options: LoadOptions): ReadConfig {
  const root: RawMap = file?.root ?? emptyMap()
  const environment = applyEnvironment(root, options.env)
  if (file === undefined && getRaw(root, ['global', 'server_name']) === undefined) {
    root.global = { ...(isRawMap(root.global) ? root.global : {}), server_name: 'localhost' }
  }
  const database = settleDatabase(root, environment.origins, options.env)
  const old = moveOldSections(root)
  const unused = unusedKeys(root)

  const place = (path: KeyPath): string => {
    const origin = environment.origins.get(showPath(path))
    if (origin !== undefined) return origin
    return file === undefined ? '' : `${name}:${file.lineOf(originalPath(path, old.movedFrom))}`
  }
  const at = ({ path, found, allowed }: RuleProblem): Problem => ({
    place: place(path),
    key: showPath(path),
    found,
    allowed,
  })

  const parsed = configSchema.safeParse(root)
  const problems = [...environment.problems, ...database.problems.map(at)]
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => at(ofIssue(issue, root))))
  else problems.push(...checkTogether(parsed.data, options.listeners ?? ownListeners(options.env)).map(at))
  if (!parsed.success || problems.length > 0) throw new ConfigError(inFileOrder(problems))

  return {
    config: parsed.data,
    warnings: [
      ...unusedWarning(name, [...old.remarks, ...(unused.length > 0 ? [describeUnused(unused)] : [])]),
      ...database.warnings,
      ...(file !== undefined && file.repeated.length > 0
        ? [`${name}: keys that stand twice, the last one counts: ${file.repeated.join(', ')}`]
        : []),
      ...environment.warnings,
    ],
    notices: environment.notices,
  }
}

function ownListeners(env: Environment): readonly string[] {
  return env.NEURITE_HTTP_BIND_ADDRESS ? [...DEFAULT_LISTENERS, env.NEURITE_HTTP_BIND_ADDRESS] : DEFAULT_LISTENERS
}

function unusedWarning(name: string, parts: readonly string[]): string[] {
  return parts.length === 0
    ? []
    : [`${name === '' ? 'environment' : name}: keys without effect or moved: ${parts.join('; ')}`]
}

function originalPath(path: KeyPath, movedFrom: ReadonlyMap<string, KeyPath>): KeyPath {
  for (let length = path.length; length > 0; length--) {
    const from = movedFrom.get(showPath(path.slice(0, length)))
    if (from !== undefined) return [...from, ...path.slice(length)]
  }
  return path
}

function ofIssue(issue: z.core.$ZodIssue, root: RawMap): RuleProblem {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const secret = metaAt(path)?.secret === true
  return { path, found: describeRaw(getRaw(root, path), secret), allowed: issue.message }
}

function metaAt(path: KeyPath): FieldMeta | undefined {
  let meta: FieldMeta | undefined = metaOf(configSchema)
  for (const step of path) {
    const next: z.ZodType | undefined = typeof step === 'number' ? meta?.item : meta?.shape?.[step]
    meta = next === undefined ? undefined : metaOf(next)
  }
  return meta
}

function inFileOrder(problems: readonly Problem[]): Problem[] {
  const line = ({ place }: Problem): number => Number(/:(\d+)$/.exec(place)?.[1] ?? Number.MAX_SAFE_INTEGER)
  return [...problems].sort((a, b) => line(a) - line(b))
}

function resolvePaths(config: MutableConfig, cwd: string): MutableConfig {
  const resolved = resolveIn(metaOf(configSchema), config, cwd) as MutableConfig
  const { data_dir } = resolved.global
  resolved.global.private_key ||= join(data_dir, 'matrix_key.pem')
  resolved.media_api.base_path ||= join(data_dir, 'media')
  return resolved
}

function resolveIn(meta: FieldMeta, value: unknown, cwd: string): unknown {
  if (meta.kind === 'path') return typeof value === 'string' && value !== '' ? resolve(cwd, value) : value
  const { item, shape } = meta
  if (item !== undefined && Array.isArray(value)) return value.map((one) => resolveIn(metaOf(item), one, cwd))
  if (shape === undefined || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = shape[key]
      return [key, field === undefined ? inner : resolveIn(metaOf(field), inner, cwd)]
    }),
  )
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
