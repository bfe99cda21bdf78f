import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmod, chown, cp, lstat, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseUnavailable, type OpenDatabase, openDatabase } from '../../src/platform/database.js'
import { checkEncoding } from '../../src/platform/database-checks.js'
import { passwdShim } from '../../src/platform/embedded-passwd.js'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.js'
import { isAlive, ownerFile, runningPostmaster, spawnWatchdog } from '../../src/platform/embedded-process.js'
import { type PackagedPostgres, packagedPostgres, postgresRuntime } from '../../src/platform/embedded-runtime.js'
import { statement } from '../../src/platform/statement.js'
import { fastFolder } from '../support/postgres.js'

const isRoot = process.getuid?.() === 0
const create = statement<never>('test.embedded.create', 'CREATE TABLE IF NOT EXISTS public.kept (id bigint)')
const insert = statement<never, [id: number]>('test.embedded.insert', 'INSERT INTO public.kept VALUES ($1)')
const select = statement<{ id: number }>('test.embedded.select', 'SELECT id FROM public.kept ORDER BY id')

let folder: string
const running: EmbeddedPostgres[] = []
const opened: OpenDatabase[] = []
beforeEach(async () => {
  folder = await fastFolder()
  await chmod(folder, 0o755)
})
afterEach(async () => {
  for (const database of opened.splice(0)) await database.close()
  for (const postgres of running.splice(0)) await postgres.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

async function start(
  directory = join(folder, 'data', 'pg'),
  maxConnections = 20,
  onExit: () => void = () => undefined,
): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ directory, durable: false, maxConnections, onExit })
  running.push(postgres)
  return postgres
}

async function open(postgres: EmbeddedPostgres, maxConnections = 4): Promise<OpenDatabase> {
  const database = await openDatabase({
    connectionString: postgres.connectionString,
    maxConnections,
    acquireTimeoutMs: 1_000,
  })
  opened.push(database)
  return database
}

async function pidOf(postgres: EmbeddedPostgres): Promise<number> {
  return (await runningPostmaster(postgres.directory))?.pid ?? 0
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** The package as npm leaves it when install scripts are not run. */
async function unpackWithoutLinks(native: string): Promise<PackagedPostgres> {
  const packaged = await packagedPostgres()
  const isLink = async (path: string) => (await lstat(path)).isSymbolicLink()
  await cp(packaged.native, native, {
    recursive: true,
    filter: async (path) => !path.endsWith('.a') && !path.includes('timezone') && !(await isLink(path)),
  })
  return { native, version: packaged.version }
}

describe('the embedded PostgreSQL', () => {
  it('starts on an existing cluster in a moment, with what was stored, UTF8 and locale C', async () => {
    const first = await start()
    const database = await open(first)
    await database.run(create)
    await database.run(insert, 1)
    await database.close()
    await first.stop()
    const since = performance.now()
    const second = await start()
    const again = await open(second)
    expect(await again.run(select)).toEqual([{ id: 1 }])
    expect(performance.now() - since).toBeLessThan(1_500)
    expect(await checkEncoding(again)).toBeUndefined()
  })

  it('recovers when it was killed, stale pid file and all (F10)', async () => {
    let ended = false
    const first = await start(undefined, 20, () => {
      ended = true
    })
    const database = await open(first)
    await database.run(create)
    await database.run(insert, 1)
    const pid = await pidOf(first)
    process.kill(pid, 'SIGKILL')
    await until(() => ended)
    expect((await readFile(join(first.directory, 'postmaster.pid'), 'utf8')).startsWith(`${pid}\n`)).toBe(true)
    const second = await start()
    expect(await (await open(second)).run(select)).toEqual([{ id: 1 }])
  })

  it('one that outlived its server is replaced, and nothing is lost', async () => {
    const first = await start()
    const database = await open(first)
    await database.run(create)
    await database.run(insert, 1)
    const pid = await pidOf(first)
    // The owner is another process, which has died.
    await writeFile(ownerFile(first.directory), JSON.stringify({ pid: 2 ** 22 + 1, started: '' }))
    const second = await start()
    expect(second.owned).toBe(true)
    expect(isAlive(pid)).toBe(false)
    expect(await (await open(second)).run(select)).toEqual([{ id: 1 }])
  })

  it('one that belongs to a living server is shared and left running', async () => {
    const server = spawn('sleep', ['60'])
    const first = await start()
    const stat = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[19]
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    await writeFile(ownerFile(first.directory), JSON.stringify({ pid: server.pid, started: `${boot}:${stat}` }))
    const shared = await startEmbeddedPostgres({ directory: first.directory })
    expect(shared.owned).toBe(false)
    await shared.stop()
    expect((await open(shared)).statementsSent).toBe(0)
    expect(await pidOf(first)).toBeGreaterThan(0)
    server.kill('SIGKILL')
  })

  it('ends by itself when its server is killed', async () => {
    const first = await start()
    const pid = await pidOf(first)
    const { uid, gid } = await stat(first.directory)
    const watchdog = spawnWatchdog(pid, isRoot ? { uid, gid } : {})
    // The kernel does this when the server dies.
    watchdog.stdin?.destroy()
    await gone(pid)
  })

  it('is in a process group of its own, so that Ctrl-C does not reach it', async () => {
    const pid = await pidOf(await start())
    const group = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2])
    expect(group).toBe(pid)
  })

  it('works from a path that is longer than a socket name may be, and leaves no folder for the socket behind', async () => {
    const deep = join(folder, 'a'.repeat(60), 'b'.repeat(60), 'c d')
    const postgres = await start(join(deep, 'pg'))
    const database = await open(postgres)
    await database.run(create)
    const socketFolder = new URL(postgres.connectionString.replace('@/', '@localhost/')).searchParams.get('host') ?? ''
    expect((await stat(socketFolder)).isDirectory()).toBe(true)
    await postgres.stop()
    await expect(stat(socketFolder)).rejects.toThrow('ENOENT')
  })

  it.runIf(isRoot)('works from a private folder of root, unprivileged', async () => {
    await chmod(folder, 0o700)
    const postgres = await start()
    const database = await open(postgres)
    await database.run(create)
    expect((await stat(`/proc/${await pidOf(postgres)}`)).uid).not.toBe(0)
  })

  it('a cluster of another version is refused with the way out', async () => {
    const first = await start()
    await first.stop()
    await writeFile(join(first.directory, 'PG_VERSION'), '15\n')
    await expect(start()).rejects.toThrow(/PostgreSQL 15.*pg_dump/)
  })

  it('a start that was cut off while the cluster was being made begins anew', async () => {
    await mkdir(join(folder, 'data', 'pg.new'), { recursive: true })
    await writeFile(join(folder, 'data', 'pg.new', 'PG_VERSION'), 'half')
    await open(await start())
    expect(await readdir(join(folder, 'data'))).not.toContain('pg.new')
  })

  it('the programs run although npm made no links between their libraries', async () => {
    const packaged = await unpackWithoutLinks(join(folder, 'package', 'native'))
    const runtime = await postgresRuntime({}, join(folder, 'own'), packaged)
    expect(runtime.initdb.startsWith(packaged.native)).toBe(true)
    expect(execFileSync(runtime.initdb, ['--version'], { encoding: 'utf8' })).toContain(`PostgreSQL) ${runtime.major}`)
  })

  it('the programs run from a folder where they cannot be reached or changed: in a copy', async () => {
    const packaged = await unpackWithoutLinks(join(folder, 'package', 'native'))
    const runAs = isRoot ? { uid: 65_534, gid: 65_534 } : {}
    await chmod(isRoot ? join(folder, 'package') : join(packaged.native, 'lib'), isRoot ? 0o700 : 0o500)
    const runtime = await postgresRuntime(runAs, join(folder, 'own'), packaged)
    expect(runtime.initdb.startsWith(join(folder, 'own'))).toBe(true)
    const output = execFileSync(runtime.initdb, ['--version'], { encoding: 'utf8', cwd: '/', ...runAs })
    expect(output).toContain(`PostgreSQL) ${runtime.major}`)
    await chmod(join(packaged.native, 'lib'), 0o700)
  })

  it.runIf(isRoot)('a cluster can be made by a user that the system does not know', async () => {
    const ids = { uid: 54_321, gid: 54_321 }
    const shim = await passwdShim(join(folder, 'shim'), { ...ids, hasName: false })
    const cluster = join(folder, 'cluster')
    await mkdir(cluster)
    await chown(cluster, ids.uid, ids.gid)
    const { initdb } = await postgresRuntime(ids, join(folder, 'own'))
    const run = (environment: Readonly<Record<string, string>>) =>
      spawnSync(initdb, ['-D', cluster, '-N', '--no-instructions'], {
        ...ids,
        cwd: shim?.workingDirectory,
        env: { LC_ALL: 'C', PATH: '/bin:/usr/bin', ...environment },
        encoding: 'utf8',
      })
    expect(run({}).stderr).toContain('user does not exist')
    expect(run(shim?.environment ?? {})).toMatchObject({ status: 0 })
    await shim?.remove()
    expect(await readdir(folder)).not.toContain('shim')
  })

  it('a restart under load loses nothing that was acknowledged, and the pool heals by itself (F10, F11)', async () => {
    const first = await start()
    const database = await open(first)
    await database.run(create)
    const acknowledged: number[] = []
    let stop = false
    let next = 0
    const writer = async () => {
      while (!stop) {
        const id = next++
        try {
          await database.transaction((tx) => tx.run(insert, id))
          acknowledged.push(id)
        } catch (error) {
          expect(error).toBeInstanceOf(DatabaseUnavailable)
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
    }
    const writers = [writer(), writer(), writer()]
    await until(() => acknowledged.length > 50)
    await first.stop()
    await expect(database.run(select)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await start()
    const before = acknowledged.length
    await until(() => acknowledged.length > before + 50)
    stop = true
    await Promise.all(writers)
    const stored = (await database.run(select)).map(({ id }) => id)
    expect(new Set(stored).size).toBe(stored.length)
    expect(stored).toEqual(expect.arrayContaining(acknowledged))
  })

  it('a server without a free connection gives DatabaseUnavailable, and works again when there is one (F12)', async () => {
    const postgres = await start(undefined, 6)
    const greedy = await open(postgres, 6)
    await greedy.run(create)
    let free: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      free = resolve
    })
    let holding = 0
    const hogs = Array.from({ length: 6 }, () =>
      greedy.transaction(async (tx) => {
        await tx.run(select)
        holding++
        await held
      }),
    )
    await until(() => holding === 6)
    await expect(open(postgres)).rejects.toBeInstanceOf(DatabaseUnavailable)
    free()
    await Promise.all(hogs)
    await expect(greedy.run(select)).resolves.toEqual([])
    await opened.splice(opened.indexOf(greedy), 1)[0]?.close()
    expect(await (await open(postgres)).run(select)).toEqual([])
  })
})

/** Polls without a fixed wait. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
