import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type App, createApp } from '../../src/app.js'
import { readConfigText } from '../../src/config/load.js'
import type { Config } from '../../src/config/schema.js'
import type { HttpBounds } from '../../src/http/server.js'
import { type OpenDatabase, openDatabase } from '../../src/platform/database.js'
import { openLog } from '../../src/platform/log.js'
import type { Clock } from '../../src/platform/time.js'
import { signingKeyOf } from '../../src/protocol/signing.js'
import { createTestDatabase, type TestDatabase } from './database.js'

export const TEST_SERVER_NAME = 'test.example'

export interface TestServerOptions {
  /** YAML of the configuration's sections, laid over what tests need (open registration, no rate limits). */
  readonly yaml?: string
  readonly time?: Clock
  readonly httpBounds?: Partial<HttpBounds>
  readonly maxConnections?: number
}

/** One JSON answer. */
export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the server has answered
  readonly body: any
  readonly headers: Headers
}

/** Somebody who uses the server over HTTP. */
export interface TestUser {
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
  put(path: string, body?: unknown): Promise<Answer>
  delete(path: string, body?: unknown): Promise<Answer>
}

export interface TestServer {
  readonly url: string
  readonly config: Config
  /** The server's own database: its counters show what the server sends. */
  readonly database: OpenDatabase
  readonly connectionString: string
  readonly app: App
  /** A request without a token. Paths that do not start with `/_` are below `/_matrix/client/v3`. */
  request(method: string, path: string, body?: unknown, token?: string): Promise<Answer>
  register(name: string, password?: string): Promise<TestUser>
  login(name: string, password?: string, deviceId?: string): Promise<TestUser>
  as(user: { userId: string; deviceId: string; token: string }): TestUser
  /** Names of the statements sent while `action` ran and until everything that it set off has ended. */
  statements(action: () => Promise<unknown>): Promise<string[]>
  /** Ends when no statement has been sent for a moment: readers are idle. */
  settle(): Promise<void>
  /** Stops the server in order and starts it again on the same database. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const BASE_YAML = `
version: 2
global:
  server_name: ${TEST_SERVER_NAME}
  presence: { enable_inbound: true, enable_outbound: true }
client_api:
  registration_disabled: false
  registration_shared_secret: shared
  rate_limiting: { enabled: false }
user_api:
  bcrypt_cost: 4
`
const PASSWORD = 'correct horse battery'
const QUIET_MS = 25

/** A whole server in this process, on a database of its own and a free port. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const testDatabase = await createTestDatabase()
  const server = new RunningServer(options, testDatabase)
  await server.start()
  return server
}

class RunningServer implements TestServer {
  url = ''
  readonly config: Config
  readonly #options: TestServerOptions
  readonly #testDatabase: TestDatabase
  /** Relative paths of the configuration are below it. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'neurite-server-'))
  #database: OpenDatabase | undefined
  #app: App | undefined

  constructor(options: TestServerOptions, testDatabase: TestDatabase) {
    this.#options = options
    this.#testDatabase = testDatabase
    const { config } = readConfigText(options.yaml ?? BASE_YAML, 'test.yaml', this.#folder)
    this.config = config
  }

  get database(): OpenDatabase {
    if (this.#database === undefined) throw new Error('the server is not running')
    return this.#database
  }

  get app(): App {
    if (this.#app === undefined) throw new Error('the server is not running')
    return this.#app
  }

  get connectionString(): string {
    return this.#testDatabase.connectionString
  }

  async start(): Promise<void> {
    const { time, httpBounds, maxConnections = 10 } = this.#options
    this.#database = await openDatabase({ connectionString: this.connectionString, maxConnections })
    this.#app = await createApp({
      config: this.config,
      log: openLog([{ type: 'std', level: 'error' }]),
      database: this.#database,
      signingKey: signingKeyOf('ed25519:test', new Uint8Array(32).fill(7)),
      commandSecret: 'command-secret',
      cacheBytes: 64 << 20,
      ...(time === undefined ? {} : { time }),
      ...(httpBounds === undefined ? {} : { httpBounds }),
    })
    await this.#app.start()
    const [bound] = await this.#app.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }])
    if (bound === undefined || !('port' in bound)) throw new Error('no TCP port')
    this.url = `http://127.0.0.1:${bound.port}`
  }

  async restart(): Promise<void> {
    await this.#end()
    await this.start()
  }

  async stop(): Promise<void> {
    await this.#end()
    await this.#testDatabase.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(): Promise<void> {
    await this.#app?.stop()
    await this.#database?.close()
    this.#app = undefined
    this.#database = undefined
  }

  async request(method: string, path: string, body?: unknown, token?: string): Promise<Answer> {
    const url = this.url + (path.startsWith('/_') || path.startsWith('/.') ? path : `/_matrix/client/v3${path}`)
    const response = await fetch(url, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers }
  }

  async register(name: string, password = PASSWORD): Promise<TestUser> {
    const auth = { type: 'm.login.dummy' }
    const answer = await this.request('POST', '/register', { username: name, password, auth })
    return this.#loggedIn(answer)
  }

  async login(name: string, password = PASSWORD, deviceId?: string): Promise<TestUser> {
    const answer = await this.request('POST', '/login', {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
    })
    return this.#loggedIn(answer)
  }

  #loggedIn({ status, body }: Answer): TestUser {
    if (status !== 200) throw new Error(`login or registration failed: ${status} ${JSON.stringify(body)}`)
    return this.as({ userId: body.user_id, deviceId: body.device_id, token: body.access_token })
  }

  as({ userId, deviceId, token }: { userId: string; deviceId: string; token: string }): TestUser {
    return {
      userId,
      deviceId,
      token,
      get: (path) => this.request('GET', path, undefined, token),
      post: (path, body = {}) => this.request('POST', path, body, token),
      put: (path, body = {}) => this.request('PUT', path, body, token),
      delete: (path, body) => this.request('DELETE', path, body, token),
    }
  }

  async statements(action: () => Promise<unknown>): Promise<string[]> {
    await this.settle()
    const sent: string[] = []
    const stop = this.database.onStatement((name) => sent.push(name))
    try {
      await action()
      await this.settle()
    } finally {
      stop()
    }
    return sent
  }

  async settle(): Promise<void> {
    await this.app.components.streamClock.caughtUp(5_000)
    for (let before = -1; before !== this.database.statementsSent; ) {
      before = this.database.statementsSent
      await pause(QUIET_MS)
    }
  }
}
