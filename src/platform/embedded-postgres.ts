/**
 * The embedded PostgreSQL: a real cluster under the data directory, for installations that name no database.
 *
 * PostgreSQL refuses to run as root, so under root it runs as an unprivileged user. Below a private folder such as
 * /root that user cannot reach the cluster by its path; it inherits the folder as its working directory instead and
 * calls it /proc/self/cwd. Connections go through a Unix socket that nobody else can reach.
 */
import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { passwdShim } from './embedded-passwd.js'
import {
  claimCluster,
  exited,
  type Postmaster,
  releaseCluster,
  removeStalePidFile,
  runningPostmaster,
  spawnDetached,
  spawnWatchdog,
  stopPostmaster,
  until,
} from './embedded-process.js'
import {
  EmbeddedPostgresRefused,
  isReachable,
  type PostgresRuntime,
  postgresRuntime,
  type RunAs,
} from './embedded-runtime.js'

export { EmbeddedPostgresRefused } from './embedded-runtime.js'

export interface EmbeddedOptions {
  /** Where the cluster lives; made when missing. Its parent is made as well. */
  readonly directory: string
  /** False gives up safety against power loss for speed: for tests. */
  readonly durable?: boolean
  readonly maxConnections?: number
  /** PostgreSQL has ended without `stop` (killed, out of memory): the server had best end too, and be started again. */
  readonly onExit?: () => void
}

export interface EmbeddedPostgres {
  readonly connectionString: string
  readonly directory: string
  /** False when another living server has started the cluster; `stop` then leaves it alone. */
  readonly owned: boolean
  /** Ends when PostgreSQL has shut down. Nothing is lost when it is not called. */
  stop(): Promise<void>
}

const ROLE = 'neurite'
const PORT = 5432
const POLL_MS = 10
const START_TIMEOUT_MS = 60_000
const STOP_PATIENCE_MS = 20_000
/** Backends of a postmaster that was killed need a moment to notice. */
const START_ATTEMPTS = 40
/** A socket's path, `/.s.PGSQL.5432.lock` included, has to fit into 107 bytes. */
const LONGEST_SOCKET_DIRECTORY = 85

/** Throws EmbeddedPostgresRefused when it cannot run here, with the way out. */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const cluster = resolve(options.directory)
  await mkdir(dirname(cluster), { recursive: true })
  const end = performance.now() + START_TIMEOUT_MS
  while (!(await claimCluster(cluster))) {
    const running = await runningPostmaster(cluster)
    if (running?.ready === true) return attach(cluster, running)
    if (performance.now() > end) {
      throw new EmbeddedPostgresRefused(`another process is starting PostgreSQL on ${cluster}, and does not get ready`)
    }
    await pause(POLL_MS)
  }
  try {
    return await startClaimed(cluster, options)
  } catch (error) {
    await releaseCluster(cluster)
    throw error
  }
}

async function startClaimed(cluster: string, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const left = await runningPostmaster(cluster)
  if (left !== undefined) await stopPostmaster(left.pid, () => false, STOP_PATIENCE_MS)
  const runAs = await unprivileged(cluster)
  const runtime = await postgresRuntime(runAs, join(dirname(cluster), 'postgresql'))
  const place = await placeOf(cluster, runAs)
  if (await isMissing(join(cluster, 'PG_VERSION'))) await initialise(cluster, runtime, runAs, place, options)
  await checkVersion(cluster, runtime)
  await removeStalePidFile(cluster)
  // The socket's lock, too, is believed whenever some process of its user has that pid.
  await rm(join(place.socketDirectory, `.s.PGSQL.${PORT}.lock`), { force: true })
  return launch(cluster, runtime, runAs, place, options)
}

/** How PostgreSQL is told where it works, and where its socket goes. */
interface Place {
  readonly dataDirectory: string
  readonly socketDirectory: string
}

async function placeOf(cluster: string, runAs: RunAs): Promise<Place> {
  const reachable = await isReachable(dirname(cluster), runAs)
  if (!reachable && process.platform !== 'linux') {
    throw new EmbeddedPostgresRefused(
      `PostgreSQL does not run as root, and no other user can reach ${cluster}: choose another data directory`,
    )
  }
  const dataDirectory = reachable ? cluster : '/proc/self/cwd'
  if (Buffer.byteLength(cluster) <= LONGEST_SOCKET_DIRECTORY) return { dataDirectory, socketDirectory: cluster }
  const name = createHash('sha256').update(cluster).digest('hex').slice(0, 16)
  return { dataDirectory, socketDirectory: join(tmpdir(), `neurite-${name}`) }
}

/** Under root: the owner of the existing cluster, or a user that the system knows (initdb insists on that). */
async function unprivileged(cluster: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {}
  const existing = await stat(cluster).catch(() => undefined)
  if (existing !== undefined && existing.uid !== 0) return { uid: existing.uid, gid: existing.gid }
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const known = new Map<string, RunAs>()
  for (const line of users.split('\n')) {
    const [name = '', , uid, gid] = line.split(':')
    if (Number(uid) > 0) known.set(name, { uid: Number(uid), gid: Number(gid) })
  }
  const chosen = known.get('neurite') ?? known.get('postgres') ?? known.get('nobody') ?? [...known.values()][0]
  if (chosen === undefined) {
    throw new EmbeddedPostgresRefused(
      'PostgreSQL does not run as root, and this system has no other user: add one (`useradd neurite`), or name a ' +
        'database in global.database.connection_string',
    )
  }
  return chosen
}

async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    () => true,
  )
}

async function makePrivateFolder(path: string, { uid, gid }: RunAs): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid)
  await chmod(path, 0o700)
}

/** Into a folder beside it, renamed when complete: a start that was cut off leaves nothing half made. */
async function initialise(
  cluster: string,
  runtime: PostgresRuntime,
  runAs: RunAs,
  place: Place,
  options: EmbeddedOptions,
): Promise<void> {
  const making = `${cluster}.new`
  const logFile = `${cluster}.log`
  await rm(making, { recursive: true, force: true })
  await makePrivateFolder(making, runAs)
  const shim = await passwdShim(`${cluster}.passwd`)
  const child = spawnDetached({
    program: runtime.initdb,
    arguments: [
      `--pgdata=${place.dataDirectory === cluster ? making : place.dataDirectory}`,
      `--username=${ROLE}`,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      ...(options.durable === false ? ['--no-sync'] : []),
    ],
    workingDirectory: shim?.workingDirectory ?? making,
    environment: shim?.environment ?? {},
    runAs,
    logFile,
  })
  const code = await exited(child)
  await shim?.remove()
  if (code !== 0) {
    throw new EmbeddedPostgresRefused(`PostgreSQL could not make its cluster in ${cluster}: ${await tail(logFile)}`)
  }
  await rm(cluster, { recursive: true, force: true })
  await rename(making, cluster)
}

async function checkVersion(cluster: string, runtime: PostgresRuntime): Promise<void> {
  const found = (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim()
  if (found === String(runtime.major)) return
  throw new EmbeddedPostgresRefused(
    `${cluster} was made by PostgreSQL ${found}, and this version brings PostgreSQL ${runtime.major}. Dump it with the ` +
      `pg_dump of a PostgreSQL ${found} started on that folder, move the folder away, start once, and load the dump.`,
  )
}

async function launch(
  cluster: string,
  runtime: PostgresRuntime,
  runAs: RunAs,
  place: Place,
  options: EmbeddedOptions,
): Promise<EmbeddedPostgres> {
  if (place.socketDirectory !== cluster) await makePrivateFolder(place.socketDirectory, runAs)
  const logFile = `${cluster}.log`
  for (let attempt = 1; ; attempt++) {
    const child = spawnDetached({
      program: runtime.postgres,
      arguments: ['-D', place.dataDirectory, ...settings(cluster, place, options)],
      workingDirectory: cluster,
      runAs,
      logFile,
    })
    const end = exited(child)
    const hasExited = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
    const started = await until(START_TIMEOUT_MS, async () => {
      const postmaster = await runningPostmaster(cluster)
      if (postmaster?.pid === child.pid && postmaster?.ready === true) return 'ready' as const
      return hasExited() ? ('exited' as const) : undefined
    })
    if (started === 'ready' && child.pid !== undefined) {
      child.unref()
      return takeCharge(cluster, place, runAs, { pid: child.pid, hasExited, end, onExit: options.onExit })
    }
    if (child.pid !== undefined && !hasExited()) await stopPostmaster(child.pid, hasExited, STOP_PATIENCE_MS)
    await end
    const reason = await tail(logFile)
    if (attempt === START_ATTEMPTS || !reason.includes('shared memory block')) {
      throw new EmbeddedPostgresRefused(`PostgreSQL did not start on ${cluster}: ${reason}`)
    }
    await pause(100)
  }
}

interface RunningChild {
  readonly pid: number
  readonly hasExited: () => boolean
  readonly end: Promise<unknown>
  readonly onExit: (() => void) | undefined
}

async function takeCharge(
  cluster: string,
  place: Place,
  runAs: RunAs,
  { pid, hasExited, end, onExit }: RunningChild,
): Promise<EmbeddedPostgres> {
  const watchdog = spawnWatchdog(pid, runAs)
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= stopPostmaster(pid, hasExited, STOP_PATIENCE_MS).finally(async () => {
      watchdog.kill('SIGKILL')
      if (place.socketDirectory !== cluster) await rm(place.socketDirectory, { recursive: true, force: true })
      await releaseCluster(cluster)
    })
    return stopping
  }
  void end.then(() => {
    if (stopping === undefined) onExit?.()
  })
  try {
    await ensureDatabase(place.socketDirectory, PORT)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    connectionString: connectionStringFor(place.socketDirectory, PORT),
    directory: cluster,
    owned: true,
    stop,
  }
}

function attach(cluster: string, { socketDirectory, port }: Postmaster): EmbeddedPostgres {
  return {
    connectionString: connectionStringFor(socketDirectory.startsWith('/') ? socketDirectory : cluster, port),
    directory: cluster,
    owned: false,
    stop: async () => undefined,
  }
}

/** Sized for the small machines that the embedded database is for. */
function settings(cluster: string, place: Place, options: EmbeddedOptions): string[] {
  const values: Record<string, string> = {
    listen_addresses: '',
    port: String(PORT),
    // Relative to the cluster, whose absolute path its own user may not be able to walk.
    unix_socket_directories: place.socketDirectory === cluster ? '.' : place.socketDirectory,
    unix_socket_permissions: '0700',
    max_connections: String(options.maxConnections ?? 60),
    shared_buffers: '32MB',
    work_mem: '4MB',
    maintenance_work_mem: '32MB',
    effective_cache_size: '256MB',
    max_wal_size: '256MB',
    min_wal_size: '32MB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_worker_processes: '2',
    max_parallel_workers_per_gather: '0',
    max_logical_replication_workers: '0',
    autovacuum_max_workers: '1',
    io_method: 'sync',
    jit: 'off',
    huge_pages: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    log_line_prefix: '%m [%p] ',
    logging_collector: 'off',
  }
  if (options.durable === false) {
    values.fsync = 'off'
    values.full_page_writes = 'off'
    values.autovacuum = 'off'
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

function connectionStringFor(socketDirectory: string, port: number, database = ROLE): string {
  return `postgresql://${ROLE}@/${database}?host=${encodeURIComponent(socketDirectory)}&port=${port}`
}

async function ensureDatabase(socketDirectory: string, port: number): Promise<void> {
  const client = new pg.Client({ connectionString: connectionStringFor(socketDirectory, port, 'postgres') })
  await client.connect()
  try {
    const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [ROLE])
    if (rows.length === 0) await client.query(`CREATE DATABASE ${ROLE}`)
  } finally {
    await client.end()
  }
}

async function tail(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-6).join(' | ')
}
