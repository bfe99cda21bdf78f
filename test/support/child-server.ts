import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createTestDatabase } from './database.js'
import type { HttpAnswer } from './http.js'

/** The compiled program, as it is started by people. */
export const MAIN = join(import.meta.dirname, '../../dist/main.js')

export const CHILD_SERVER_NAME = 'child.example'
export const SHARED_SECRET = 'the secret that the test shares'
const PASSWORD = 'correct horse battery'
const POLL_MS = 10
const START_MS = 20_000

export interface ChildServerOptions {
  /** `test` (a clone of the run's template), `embedded` (its own cluster, in a new folder), or a connection string. */
  readonly database?: string
  /** Keys of the sections, laid over what tests need; two levels deep. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly flags?: readonly string[]
  /** A limit of file descriptors for the process. */
  readonly maxOpenFiles?: number
  /** False prepares everything and starts nothing. */
  readonly start?: boolean
}

/** How a process has ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** From the signal (or the start) to the end. */
  readonly ms: number
}

/** A command of the program that has ended. */
export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Somebody who uses the server over HTTP. Paths that do not start with `/_` are below `/_matrix/client/v3`. */
export interface ChildUser {
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  get(path: string): Promise<HttpAnswer>
  post(path: string, body?: unknown): Promise<HttpAnswer>
  put(path: string, body?: unknown): Promise<HttpAnswer>
}

/** The server as a process of its own, which can be killed. */
export interface ChildServer {
  readonly url: string
  readonly folder: string
  readonly configFile: string
  readonly connectionString: string | undefined
  readonly pid: number
  readonly isRunning: boolean
  /** Standard output and error of all starts so far. */
  readonly output: string
  /** Ends when it answers requests: milliseconds since the start of the process. Throws with its output when it ends instead. */
  start(): Promise<number>
  /** Starts it without waiting for anything; with other flags than usual where they are given. */
  launch(flags?: readonly string[]): void
  whenReady(): Promise<number>
  exited(): Promise<Exit>
  kill(signal: NodeJS.Signals): Promise<Exit>
  /** What Ctrl-C in a terminal does: SIGINT to the whole process group. */
  interrupt(): Promise<Exit>
  /** Runs another command of the program with this server's configuration file. */
  command(name: string, flags?: readonly string[], input?: string): Promise<CommandResult>
  request(method: string, path: string, body?: unknown, token?: string): Promise<HttpAnswer>
  register(name: string, password?: string): Promise<ChildUser>
  login(name: string, password?: string): Promise<ChildUser>
  /** Somebody who has logged in elsewhere. */
  as(login: { readonly userId: string; readonly deviceId: string; readonly token: string }): ChildUser
  /** Ends the process by force when it still runs, and removes all there is of it. */
  remove(): Promise<void>
}

export async function startChildServer(options: ChildServerOptions = {}): Promise<ChildServer> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run \`npm run build\` first`)
  const { database = 'test' } = options
  const testDatabase = database === 'test' ? await createTestDatabase() : undefined
  const connectionString = testDatabase?.connectionString ?? (database === 'embedded' ? undefined : database)
  const folder = await mkdtemp(join(tmpdir(), 'neurite-child-'))
  // PostgreSQL runs as another user when the tests run as root.
  await chmod(folder, 0o711)
  const server = new Child(folder, await freePort(), connectionString, options, async () => testDatabase?.close())
  await server.writeConfig()
  if (options.start === false) return server
  try {
    await server.start()
    return server
  } catch (error) {
    await server.remove()
    throw error
  }
}

class Child implements ChildServer {
  readonly url: string
  readonly folder: string
  readonly configFile: string
  readonly connectionString: string | undefined
  output = ''
  readonly #port: number
  readonly #options: ChildServerOptions
  readonly #dropDatabase: () => Promise<void>
  #process: ChildProcess | undefined
  #exit: Promise<Exit> | undefined
  #since = 0

  constructor(
    folder: string,
    port: number,
    connectionString: string | undefined,
    options: ChildServerOptions,
    dropDatabase: () => Promise<void>,
  ) {
    this.folder = folder
    this.configFile = join(folder, 'neurite.yaml')
    this.url = `http://127.0.0.1:${port}`
    this.connectionString = connectionString
    this.#port = port
    this.#options = options
    this.#dropDatabase = dropDatabase
  }

  async writeConfig(): Promise<void> {
    const base: Record<string, Record<string, unknown>> = {
      global: {
        server_name: CHILD_SERVER_NAME,
        data_dir: join(this.folder, 'data'),
        database: { connection_string: this.connectionString ?? '' },
      },
      client_api: {
        registration_disabled: false,
        registration_shared_secret: SHARED_SECRET,
        rate_limiting: { enabled: false },
      },
      user_api: { bcrypt_cost: 4 },
    }
    for (const [section, keys] of Object.entries(this.#options.config ?? {})) {
      base[section] = { ...base[section], ...keys }
    }
    // Every JSON document is a YAML document.
    const text = JSON.stringify({ version: 2, ...base, logging: [{ type: 'std', level: 'warn' }] }, null, 2)
    await writeFile(this.configFile, text)
  }

  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error('the server was never started')
    return pid
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  async start(): Promise<number> {
    this.launch()
    return this.whenReady()
  }

  launch(given?: readonly string[]): void {
    if (this.isRunning) throw new Error('the server is running')
    const own = ['-config', this.configFile, '-http-bind-address', `127.0.0.1:${this.#port}`]
    const flags = given ?? [...own, ...(this.#options.flags ?? ['-really-enable-open-registration'])]
    const { maxOpenFiles } = this.#options
    const limit = maxOpenFiles === undefined ? '' : `ulimit -n ${maxOpenFiles} && `
    const args = ['-c', `${limit}exec "$@"`, 'sh', process.execPath, MAIN, 'serve', ...flags]
    this.#since = performance.now()
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
    // A group of its own, so that a test can do to it what a terminal does.
    const child = spawn('/bin/sh', args, { cwd: this.folder, env: {}, detached: true, stdio })
    this.#process = child
    const endWithUs = killWhenWeAreGone(child)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const ms = performance.now() - this.#since
        endWithUs.kill('SIGKILL')
        // The last of its output comes after its end.
        child.once('close', () => resolve({ code, signal, ms }))
      })
    })
  }

  async whenReady(): Promise<number> {
    const since = this.#since
    while (performance.now() - since < START_MS) {
      const answered = await fetch(`${this.url}/_matrix/client/versions`).then(
        (response) => response.ok,
        () => false,
      )
      if (answered) return performance.now() - since
      if (!this.isRunning) throw new Error(`the server has ended instead of starting:\n${this.output}`)
      await pause(POLL_MS)
    }
    throw new Error(`the server does not answer:\n${this.output}`)
  }

  exited(): Promise<Exit> {
    if (this.#exit === undefined) throw new Error('the server was never started')
    return this.#exit
  }

  async kill(signal: NodeJS.Signals): Promise<Exit> {
    this.#since = performance.now()
    process.kill(this.pid, signal)
    return this.exited()
  }

  async interrupt(): Promise<Exit> {
    this.#since = performance.now()
    process.kill(-this.pid, 'SIGINT')
    return this.exited()
  }

  command(name: string, flags: readonly string[] = [], input = ''): Promise<CommandResult> {
    return runProgram([name, '-config', this.configFile, ...flags], { input, cwd: this.folder })
  }

  request(method: string, path: string, body?: unknown, token?: string): Promise<HttpAnswer> {
    return ask(this.url, method, path, { body, token })
  }

  async register(name: string, password = PASSWORD): Promise<ChildUser> {
    const auth = { type: 'm.login.dummy' }
    return this.#loggedIn(await this.request('POST', '/register', { username: name, password, auth }))
  }

  async login(name: string, password = PASSWORD): Promise<ChildUser> {
    const identifier = { type: 'm.id.user', user: name }
    return this.#loggedIn(await this.request('POST', '/login', { type: 'm.login.password', identifier, password }))
  }

  #loggedIn({ status, body }: HttpAnswer): ChildUser {
    if (status !== 200) throw new Error(`login or registration failed: ${status} ${JSON.stringify(body)}`)
    return this.as({ userId: body.user_id, deviceId: body.device_id, token: body.access_token })
  }

  as({ userId, deviceId, token }: { userId: string; deviceId: string; token: string }): ChildUser {
    return {
      userId,
      deviceId,
      token,
      get: (path) => ask(this.url, 'GET', path, { token }),
      post: (path, sent = {}) => ask(this.url, 'POST', path, { body: sent, token }),
      put: (path, sent = {}) => ask(this.url, 'PUT', path, { body: sent, token }),
    }
  }

  async remove(): Promise<void> {
    if (this.isRunning) await this.kill(this.connectionString === undefined ? 'SIGTERM' : 'SIGKILL')
    await this.#dropDatabase()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Runs the program with these arguments and an empty environment until it ends. */
export function runProgram(
  args: readonly string[],
  options: { readonly input?: string; readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CommandResult> {
  const { input = '', cwd = tmpdir(), env = {} } = options
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
}

/** Resident memory of a process in bytes; `VmHWM` is its highest so far. Linux only. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line === null) throw new Error(`no ${field} of process ${pid}`)
  return Number(line[1]) * 1024
}

/** A test process that is killed leaves no server behind: a shell waits for the end of a pipe from us. */
function killWhenWeAreGone({ pid = 0 }: ChildProcess): ChildProcess {
  const script = 'read _; kill -9 "$1"'
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watcher.unref()
  return watcher
}

const AGENT = new Agent({ keepAlive: true })

/** Node's bare client: `fetch` takes several times as much of the machine that it shares with the server. */
function ask(
  url: string,
  method: string,
  path: string,
  { body, token }: { readonly body?: unknown; readonly token?: string | undefined },
): Promise<HttpAnswer> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url + clientPath(path), { method, headers, agent: AGENT }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = incoming.headers['content-type']?.startsWith('application/json') === true
        resolve({
          status: incoming.statusCode ?? 0,
          body: isJson && text !== '' ? JSON.parse(text) : text,
          headers: new Headers(
            Object.entries(incoming.headersDistinct).map(([name, [value = ''] = []]) => [name, value]),
          ),
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

function clientPath(path: string): string {
  return path.startsWith('/_') || path.startsWith('/.') ? path : `/_matrix/client/v3${path}`
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
