import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createMediaApi, type MediaApi, type MediaRef, type Upload } from '../../../src/components/mediaapi/index.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import type { Database } from '../../../src/platform/database.js'
import { openLog } from '../../../src/platform/log.js'
import { createLoops } from '../../../src/platform/loop.js'
import { systemClock } from '../../../src/platform/time.js'
import { parseUserId, type UserId } from '../../../src/protocol/ids.js'
import { createTestDatabase } from '../../support/database.js'
import { SERVER_NAME } from '../../support/userapi.js'

export const ALICE = parseUserId(`@alice:${SERVER_NAME}`) as UserId

export interface TestMedia {
  readonly database: Database
  readonly folder: string
  /** Another store on the same files and rows, not started: what a restart after a crash sees. */
  fresh(database?: Database): MediaApi
  /** Relative, sorted. */
  files(): Promise<string[]>
  close(): Promise<void>
}

export async function createTestMedia(basePath?: string): Promise<TestMedia> {
  const test = await createTestDatabase()
  const folder = basePath ?? (await mkdtemp(join(tmpdir(), 'neurite-media-')))
  const log = openLog([{ type: 'std', level: 'fatal' }])
  const made: MediaApi[] = []
  return {
    database: test.database,
    folder,
    fresh(database = test.database) {
      const media = createMediaApi({
        serverName: SERVER_NAME,
        config: {
          base_path: folder,
          max_file_size_bytes: 0,
          dynamic_thumbnails: false,
          max_thumbnail_generators: 2,
          thumbnail_sizes: [],
        },
        database,
        caches: createCacheBudget(1_000_000),
        loops: createLoops(systemClock, log),
        time: systemClock,
        log,
      })
      made.push(media)
      return media
    },
    async files() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .sort()
    },
    async close() {
      await Promise.all(made.map((media) => media.stop()))
      await test.close()
      if (basePath === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

export function anUpload(content: Buffer = randomBytes(1_000)): Upload {
  return {
    userId: ALICE,
    contentType: 'text/plain',
    fileName: 'a.txt',
    length: content.length,
    content: Readable.from([content]),
  }
}

export async function contentOf(media: MediaApi, ref: MediaRef): Promise<Buffer> {
  const signal = new AbortController().signal
  const file = await media.download(ref, { timeoutMs: 0, signal })
  const chunks: Buffer[] = []
  for await (const chunk of await file.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}
