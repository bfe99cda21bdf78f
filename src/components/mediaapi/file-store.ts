import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { ByteRange } from './api.js'
import { diskError, isMissingFile } from './disk-error.js'

/** Name of the content itself in the folder of its hash; thumbnails lie beside it. */
export const CONTENT = 'file'

const TEMPORARY = 'tmp'
/** Only what starts with this is ours to remove from the folder of unfinished files. */
const TEMPORARY_PREFIX = 'neurite-'
const READ_CHUNK_BYTES = 65_536

/** A whole file that has no name yet. */
export interface Received {
  readonly path: string
  /** SHA-256, url-safe unpadded base64. */
  readonly hash: string
  readonly sizeBytes: number
}

/**
 * Files by the hash of their content, in Dendrite's layout: `<first>/<second>/<rest of the hash>/file`, thumbnails beside it
 * as `thumbnail-<width>x<height>-<method>`. A name appears when everything behind it is on the disk.
 */
export class FileStore {
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  /** Where a file of a hash is. Hashes are ours: nothing that a client has written becomes part of a path. */
  path(hash: string, name: string): string {
    return join(this.#base, hash.slice(0, 1), hash.slice(1, 2), hash.slice(2), name)
  }

  /**
   * Writes what comes while it is hashed, never more than a chunk ahead of the disk, and makes it durable. The source is
   * left open when that fails: an answer may still have to go the same way.
   * @throws MatrixError M_TOO_LARGE as soon as there is more than `limit`; M_UNKNOWN (507, 500) for the disk
   */
  async receive(source: Readable, limit: number | undefined): Promise<Received> {
    const path = join(this.#base, TEMPORARY, `${TEMPORARY_PREFIX}${randomBytes(18).toString('base64url')}`)
    const handle = await this.#create(path)
    try {
      const written = await writeHashed(handle, source, limit)
      await handle.sync()
      await handle.close()
      return { path, ...written }
    } catch (error) {
      await handle.close().catch(() => undefined)
      await this.discard(path)
      throw diskError(error)
    }
  }

  /** Removes a file that has no name yet. */
  async discard(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined)
  }

  async size(hash: string, name: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(hash, name))).size
    } catch (error) {
      if (isMissingFile(error)) return undefined
      throw diskError(error)
    }
  }

  /** Gives a received file its name, for good: the folders that lead to it are written too. */
  async place(received: Pick<Received, 'path'>, hash: string, name: string): Promise<void> {
    const target = this.path(hash, name)
    try {
      const created = await mkdir(dirname(target), { recursive: true, mode: 0o750 })
      await rename(received.path, target)
      await syncFolder(dirname(target))
      if (created === undefined) return
      // From the folder that holds the first new one down.
      const levels = [dirname(dirname(target)), dirname(dirname(dirname(target))), this.#base]
      for (const level of levels.filter((level) => level.length >= dirname(created).length)) await syncFolder(level)
    } catch (error) {
      throw diskError(error)
    }
  }

  /** @throws MatrixError M_NOT_FOUND when there is no such file */
  async read(hash: string, name: string, range?: ByteRange): Promise<Readable> {
    const handle = await this.#open(hash, name)
    return handle.createReadStream({ highWaterMark: READ_CHUNK_BYTES, ...range })
  }

  /** The first bytes of the content. @throws MatrixError M_NOT_FOUND when there is no such file */
  async head(hash: string, bytes: number): Promise<Buffer> {
    const handle = await this.#open(hash, CONTENT)
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  /** Removes a file, and its folders as far as they are empty. */
  async remove(hash: string, name: string): Promise<void> {
    const path = this.path(hash, name)
    await rm(path, { force: true })
    try {
      for (let folder = dirname(path), level = 0; level < 3; level++, folder = dirname(folder)) await rmdir(folder)
    } catch {
      // There is more in it.
    }
  }

  /** Removes what was being written when a server ended. Nothing may be under way. */
  async removeUnfinished(): Promise<void> {
    const folder = join(this.#base, TEMPORARY)
    const all = await readdir(folder).catch((error: unknown) => {
      if (isMissingFile(error)) return []
      throw error
    })
    const names = all.filter((name) => name.startsWith(TEMPORARY_PREFIX))
    for (const name of names) await rm(join(folder, name), { force: true })
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      try {
        return await open(path, 'wx', 0o640)
      } catch (error) {
        if (!isMissingFile(error)) throw error
        await mkdir(dirname(path), { recursive: true, mode: 0o750 })
        return await open(path, 'wx', 0o640)
      }
    } catch (error) {
      throw diskError(error)
    }
  }

  async #open(hash: string, name: string): Promise<FileHandle> {
    try {
      return await open(this.path(hash, name), 'r')
    } catch (error) {
      if (isMissingFile(error)) throw new MatrixError('M_NOT_FOUND', 'The file has gone', { cause: error })
      throw diskError(error)
    }
  }
}

async function writeHashed(
  handle: FileHandle,
  source: Readable,
  limit: number | undefined,
): Promise<{ hash: string; sizeBytes: number }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>) {
    sizeBytes += chunk.length
    if (limit !== undefined && sizeBytes > limit) throw tooLarge(limit)
    hash.update(chunk)
    await writeAll(handle, chunk)
  }
  return { hash: hash.digest('base64url'), sizeBytes }
}

/** A short write is a disk that is getting full: the rest follows, or the attempt fails. */
async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) offset += (await handle.write(chunk, offset)).bytesWritten
}

export function tooLarge(limit: number): MatrixError {
  return new MatrixError('M_TOO_LARGE', `A file may have ${limit} bytes`)
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
