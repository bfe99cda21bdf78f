import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMediaApi, type MediaApi, type MediaApiDeps } from '../../../src/components/mediaapi/index.js'
import { authedContentRepoRoutes } from '../../../src/http/client/authed-content-repo.js'
import { contentRepoRoutes } from '../../../src/http/client/content-repo.js'
import type { HttpBounds } from '../../../src/http/server.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import type { Database } from '../../../src/platform/database.js'
import { openLog } from '../../../src/platform/log.js'
import { createLoops } from '../../../src/platform/loop.js'
import { type Clock, systemClock } from '../../../src/platform/time.js'
import { parseUserId } from '../../../src/protocol/ids.js'
import { startTestHttp } from '../../support/http.js'
import { createTestUserApi, SERVER_NAME } from '../../support/userapi.js'

export const MEDIA_V1 = '/_matrix/client/v1/media'
export const MEDIA_V3 = '/_matrix/media/v3'

export interface MediaAnswer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever has been answered
  readonly json: any
}

export interface MediaUser {
  readonly userId: string
  readonly token: string
  get(path: string, headers?: Record<string, string>): Promise<MediaAnswer>
  /** Returns `server/id` of what has been uploaded. */
  upload(content: Uint8Array, contentType?: string, fileName?: string): Promise<string>
  request(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Record<string, string>,
  ): Promise<MediaAnswer>
}

export interface MediaServer {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly database: Database
  readonly mediaapi: MediaApi
  user(name: string, type?: 'user' | 'guest'): Promise<MediaUser>
  request(method: string, path: string, options?: RequestInit): Promise<MediaAnswer>
  /** Ends when the store, without HTTP, has been stopped and started again on the same files and rows. */
  restart(): Promise<MediaApi>
  /** All files in the store, relative, sorted. */
  files(): Promise<string[]>
  /** Requests that are being answered. */
  connections(): number
  close(): Promise<void>
}

export interface MediaServerOptions {
  readonly config?: Partial<MediaApiDeps['config']>
  readonly bounds?: Partial<HttpBounds>
  readonly time?: Clock
  readonly database?: (database: Database) => Database
}

const DECODER = join(import.meta.dirname, '../../../dist/components/mediaapi/thumbnails/decoder.js')

/** The media endpoints, with accounts, on a database and in a folder of their own. */
export async function startMediaServer(options: MediaServerOptions = {}): Promise<MediaServer> {
  if (!existsSync(DECODER)) throw new Error(`${DECODER} is missing: run \`npm run build\` first`)
  const { userapi, test, close } = await createTestUserApi()
  const folder = options.config?.base_path ?? (await mkdtemp(join(tmpdir(), 'neurite-media-')))
  const database = options.database?.(test.database) ?? test.database
  const time = options.time ?? systemClock
  const log = openLog([{ type: 'std', level: 'fatal' }])
  const make = (): MediaApi =>
    createMediaApi({
      serverName: SERVER_NAME,
      config: {
        base_path: folder,
        max_file_size_bytes: 10_485_760,
        dynamic_thumbnails: false,
        max_thumbnail_generators: 10,
        thumbnail_sizes: [],
        ...options.config,
      },
      database,
      caches: createCacheBudget(10_000_000),
      loops: createLoops(time, log),
      time,
      log,
    })
  let mediaapi = make()
  await mediaapi.start()
  const {
    http,
    client,
    port,
    close: closeHttp,
  } = await startTestHttp([...contentRepoRoutes({ mediaapi }), ...authedContentRepoRoutes({ mediaapi })], {
    userapi,
    ...(options.bounds === undefined ? {} : { bounds: options.bounds }),
  })
  const request: MediaServer['request'] = async (method, path, init = {}) => {
    const response = await fetch(client.url + path, { ...init, method })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type') === 'application/json'
    return {
      status: response.status,
      headers: response.headers,
      bytes,
      json: isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined,
    }
  }
  return {
    url: client.url,
    port,
    folder,
    database,
    get mediaapi() {
      return mediaapi
    },
    request,
    async user(name, type = 'user') {
      const userId = parseUserId(`@${name}:${SERVER_NAME}`)
      if (userId === undefined) throw new Error(`not a name: ${name}`)
      await userapi.createAccount({ userId, type })
      const { accessToken: token } = await userapi.login({ userId })
      const asUser: MediaUser['request'] = (method, path, body, headers) =>
        request(method, path, {
          headers: { authorization: `Bearer ${token}`, ...headers },
          ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
        })
      return {
        userId,
        token,
        request: asUser,
        get: (path, headers) => asUser('GET', path, undefined, headers),
        async upload(content, contentType, fileName) {
          const query = fileName === undefined ? '' : `?filename=${encodeURIComponent(fileName)}`
          const headers: Record<string, string> = contentType === undefined ? {} : { 'content-type': contentType }
          const { status, json } = await asUser('POST', `${MEDIA_V3}/upload${query}`, content, headers)
          if (status !== 200) throw new Error(`upload: ${status} ${JSON.stringify(json)}`)
          return json.content_uri.replace('mxc://', '')
        },
      }
    },
    async restart() {
      await mediaapi.stop()
      mediaapi = make()
      await mediaapi.start()
      return mediaapi
    },
    async files() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .sort()
    },
    connections: () => http.inFlight,
    async close() {
      await closeHttp()
      await mediaapi.stop()
      await close()
      if (options.config?.base_path === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** An upload that is sent piece by piece; `answer` comes when there is one. */
export function slowUpload(server: MediaServer, user: MediaUser, path = `${MEDIA_V3}/upload`, method = 'POST') {
  const sent = httpRequest(server.url + path, { method, headers: { authorization: `Bearer ${user.token}` } })
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever has been answered
  const answer = new Promise<{ status: number; json: any }>((resolve, reject) => {
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }))
    })
    sent.on('error', reject)
  })
  answer.catch(() => undefined)
  return { sent, answer }
}
