import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.js'
import type { BenchOptions } from './options.js'
import { cpuOfFamily, cpuOfProcess, parentOf, peakMemory } from './process-figures.js'

/** The server that is measured. */
export interface Target {
  readonly url: string
  readonly pid: number | undefined
  readonly connectionString: string | undefined
  /** CPU time so far in ms; undefined for a server on another machine. */
  cpu(): CpuTimes
  peakMemory(): number | undefined
  stop(): Promise<void>
}

export interface CpuTimes {
  readonly node: number | undefined
  readonly postgres: number | undefined
}

const START_MS = 60_000

export async function openTarget(options: BenchOptions): Promise<Target> {
  if (options.url === undefined) return startOwnServer()
  return describe(options.url, options.pid, options.database, async () => undefined)
}

async function describe(
  url: string,
  pid: number | undefined,
  connectionString: string | undefined,
  stop: () => Promise<void>,
): Promise<Target> {
  const postmaster = connectionString === undefined ? undefined : await findPostmaster(connectionString)
  return {
    url,
    pid,
    connectionString,
    cpu: () => ({ node: cpuOfProcess(pid), postgres: cpuOfFamily(postmaster) }),
    peakMemory: () => peakMemory(pid),
    stop,
  }
}

/** Undefined when it runs on another machine. */
async function findPostmaster(connectionString: string): Promise<number | undefined> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const { rows } = await client.query<{ pid: number; local: boolean }>(
    "SELECT pg_backend_pid() AS pid, coalesce(inet_server_addr() <<= '127.0.0.0/8', true) AS local",
  )
  const [row] = rows
  // While the backend is still there.
  const postmaster = row?.local === true ? parentOf(row.pid) : undefined
  await client.end()
  return postmaster
}

/**
 * As people run it: compiled, with the embedded PostgreSQL; only without limits, and with quick password hashes. We start
 * PostgreSQL ourselves, since the embedded one of a server has no connections to spare for the comparison.
 */
async function startOwnServer(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'neurite-bench-'))
  await chmod(folder, 0o711)
  const postgres = await startEmbeddedPostgres({ directory: join(folder, 'postgres'), maxConnections: 80 })
  const { connectionString } = postgres
  const config = {
    version: 2,
    global: {
      server_name: 'bench.example',
      data_dir: join(folder, 'data'),
      database: { connection_string: connectionString, max_open_conns: 20 },
    },
    client_api: { registration_disabled: false, rate_limiting: { enabled: false } },
    user_api: { bcrypt_cost: 4 },
    logging: [{ type: 'std', level: 'warn' }],
  }
  const file = join(folder, 'neurite.yaml')
  await writeFile(file, JSON.stringify(config))
  const port = await freePort()
  const flags = ['-config', file, '-http-bind-address', `127.0.0.1:${port}`, '-really-enable-open-registration']
  const child = spawn(process.execPath, ['dist/main.js', 'serve', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    await postgres.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('SIGINT', () => void stop().then(() => process.exit(130)))
  const url = `http://127.0.0.1:${port}`
  try {
    await answers(
      url,
      () => child.exitCode === null,
      () => errors,
    )
    return await describe(url, child.pid, connectionString, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function answers(url: string, lives: () => boolean, errors: () => string): Promise<void> {
  const end = performance.now() + START_MS
  while (lives() && performance.now() < end) {
    const isReady = await fetch(`${url}/_matrix/client/versions`).then(
      (response) => response.ok,
      () => false,
    )
    if (isReady) return
    await pause(20)
  }
  throw new Error(`the server did not start (is it built? \`npm run build\`):\n${errors()}`)
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
