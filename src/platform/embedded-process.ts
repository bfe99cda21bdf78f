import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  fchownSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { RunAs } from './embedded-runtime.js'

/** A running postmaster, whoever started it. */
export interface Postmaster {
  readonly pid: number
  /** Where its socket is. */
  readonly socketDirectory: string
  readonly port: number
  readonly ready: boolean
}

const POLL_MS = 10
const LOG_LIMIT_BYTES = 1 << 20

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && Reflect.get(error, 'code') === 'EPERM'
  }
}

/**
 * The live postmaster of a cluster, from its pid file (line 1 pid, 4 port, 5 socket directory, 8 status). In a
 * container the pid of a dead one is soon somebody else's, so the process must also have the cluster as its working directory.
 */
export async function runningPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n')
  const pid = Number(lines[0])
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid) || !worksIn(pid, cluster)) return undefined
  return {
    pid,
    port: Number(lines[3] ?? '0'),
    socketDirectory: lines[4] ?? '',
    ready: (lines[7] ?? '').trim() === 'ready',
  }
}

/** True where it cannot be told (no /proc). */
function worksIn(pid: number, directory: string): boolean {
  if (process.platform !== 'linux') return true
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(directory)
  } catch {
    // Another user's process: not ours unless we could not have started it ourselves either.
    return false
  }
}

/** PostgreSQL believes a stale pid file whenever some process of its user has that pid. */
export async function removeStalePidFile(cluster: string): Promise<void> {
  if ((await runningPostmaster(cluster)) === undefined) await rm(join(cluster, 'postmaster.pid'), { force: true })
}

export interface SpawnOptions {
  readonly program: string
  readonly arguments: readonly string[]
  readonly workingDirectory: string
  /** Added to the little that it gets. */
  readonly environment?: Readonly<Record<string, string>>
  readonly runAs: RunAs
  readonly logFile: string
}

/**
 * Starts a program in a session of its own, so that Ctrl-C in the terminal and the end of this process do not reach it,
 * writing to a log file, with next to no environment.
 */
export function spawnDetached(options: SpawnOptions): ChildProcess {
  if ((statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) truncateSync(options.logFile)
  const log = openSync(options.logFile, 'a', 0o640)
  try {
    // Root may lend a hand to a server that runs as another user (create-account) and must not leave it a file of root's.
    if (options.runAs.uid !== undefined && options.runAs.gid !== undefined) {
      fchownSync(log, options.runAs.uid, options.runAs.gid)
    }
    const child = spawn(options.program, options.arguments, {
      cwd: options.workingDirectory,
      detached: true,
      env: { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin', ...options.environment },
      stdio: ['ignore', log, log],
      ...options.runAs,
    })
    // Without a listener a failed start would be thrown from the event loop; `exited` reports it.
    child.on('error', () => undefined)
    return child
  } finally {
    closeSync(log)
  }
}

/** Ends when the child has ended: its exit code, or undefined when a signal or a failed start ended it. */
export function exited(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode ?? undefined)
    child.once('exit', (code) => resolve(code ?? undefined))
    child.once('error', () => resolve(undefined))
  })
}

/** Fast shutdown, then immediate, then by force. Ends when the process is gone. */
export async function stopPostmaster(pid: number, hasExited: () => boolean, patienceMs: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal)
    } catch {
      return
    }
    const until = performance.now() + patienceMs
    while (performance.now() < until) {
      if (hasExited() || !isAlive(pid)) return
      await pause(POLL_MS)
    }
  }
}

/** Polls until `ready` gives something; undefined after `ms`. */
export async function until<T>(ms: number, ready: () => Promise<T | undefined>): Promise<T | undefined> {
  const end = performance.now() + ms
  for (;;) {
    const found = await ready()
    if (found !== undefined) return found
    if (performance.now() > end) return undefined
    await pause(POLL_MS)
  }
}

/** Ends the cluster when this process is gone without having done so (kill -9): a shell waits for a pipe to close. */
export function spawnWatchdog(postmasterPid: number, runAs: RunAs): ChildProcess {
  // The pid may be another process's by then.
  const script =
    'read _; name=postgres; [ -r "/proc/$1/comm" ] && read name <"/proc/$1/comm"; [ "$name" = postgres ] && kill -INT "$1"'
  const child = spawn('/bin/sh', ['-c', script, 'neurite-watchdog', String(postmasterPid)], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
    ...runAs,
  })
  // No shell here: then the next start finds the cluster running and stops it.
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  child.unref()
  Reflect.get(child.stdin, 'unref')?.call(child.stdin)
  return child
}

interface Owner {
  readonly pid: number
  /** Tells two processes with one pid apart. */
  readonly started: string
}

/**
 * Makes this process the one that starts and stops the cluster; false when another living process is. The file stands
 * beside the cluster, so that two first starts do not make it twice.
 */
export async function claimCluster(cluster: string): Promise<boolean> {
  const file = ownerFile(cluster)
  const owner: Owner = { pid: process.pid, started: processStart(process.pid) }
  for (;;) {
    try {
      await writeFile(file, JSON.stringify(owner), { flag: 'wx' })
      return true
    } catch (error) {
      if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'EEXIST') throw error
    }
    if (await isOwnedByOther(file)) return false
    await rm(file, { force: true })
  }
}

export async function releaseCluster(cluster: string): Promise<void> {
  await rm(ownerFile(cluster), { force: true })
}

export function ownerFile(cluster: string): string {
  return `${cluster}.owner`
}

async function isOwnedByOther(file: string): Promise<boolean> {
  try {
    const owner = JSON.parse(await readFile(file, 'utf8')) as Owner
    return owner.pid !== process.pid && isAlive(owner.pid) && owner.started === processStart(owner.pid)
  } catch {
    return false
  }
}

/** Boot and start time of a process; empty where there is no /proc. */
function processStart(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 22; the name in parentheses may hold anything.
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
    return `${boot}:${started}`
  } catch {
    return ''
  }
}
