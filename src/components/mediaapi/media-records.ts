import type { Cache } from '../../platform/cache.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { FindOptions, MediaRef } from './api.js'
import type { Context } from './context.js'
import { type MediaRow, SELECT_MEDIA } from './store/media.js'

/** A row with its content. */
export interface StoredMedia {
  readonly hash: string
  readonly contentType: string
  readonly sizeBytes: number
  readonly fileName: string | undefined
  readonly beforeFreeze: boolean
}

/** What is known of each URI, and who waits for content that has not come yet. */
export class MediaRecords {
  readonly #context: Pick<Context, 'database' | 'time' | 'serverName'>
  readonly #cache: Cache<string, StoredMedia>
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(context: Pick<Context, 'database' | 'time' | 'serverName' | 'caches'>) {
    this.#context = context
    this.#cache = context.caches.cache('mediaapi.media', (media) => 300 + 2 * (media.fileName?.length ?? 0))
  }

  /** With its content, after waiting for it. @throws MatrixError M_NOT_FOUND, M_NOT_YET_UPLOADED */
  async find(ref: MediaRef, options: FindOptions): Promise<StoredMedia> {
    // Other servers' media are not fetched.
    const media = ref.origin === this.#context.serverName ? await this.#find(ref, options) : undefined
    if (media === undefined || (options.beforeFreeze === true && !media.beforeFreeze)) throw notFound()
    return media
  }

  /** Somebody may be waiting for this content. */
  completed(ref: MediaRef): void {
    for (const wake of this.#waiting.get(ref.mediaId) ?? []) wake()
  }

  async #find(ref: MediaRef, options: FindOptions): Promise<StoredMedia | undefined> {
    const known = this.#cache.get(ref.mediaId)
    if (known !== undefined) return known
    const first = await this.#load(ref)
    // Nothing on the endpoints without authentication is still to come.
    if (first !== 'pending' || options.beforeFreeze === true) return first === 'pending' ? undefined : first
    const arrival = this.#arrival(ref, options)
    try {
      // It may have come between the first look and the wait.
      const second = await this.#load(ref)
      if (second !== 'pending') return second
      await arrival.arrived
      const third = await this.#load(ref)
      if (third === 'pending') throw new MatrixError('M_NOT_YET_UPLOADED', 'The content has not been uploaded yet')
      return third
    } finally {
      arrival.cancel()
    }
  }

  async #load(ref: MediaRef): Promise<StoredMedia | 'pending' | undefined> {
    const [row] = await this.#context.database.run(SELECT_MEDIA, ref.origin, ref.mediaId)
    if (row === undefined) return undefined
    const { hash, content_type, size_bytes, upload_name, before_freeze } = row
    if (hash === null || content_type === null || size_bytes === null) {
      return isExpired(row, this.#context.time.now()) ? undefined : 'pending'
    }
    const media: StoredMedia = {
      hash,
      contentType: content_type,
      sizeBytes: size_bytes,
      fileName: upload_name ?? undefined,
      beforeFreeze: before_freeze,
    }
    this.#cache.set(ref.mediaId, media)
    return media
  }

  #arrival(ref: MediaRef, { timeoutMs, signal }: FindOptions): { arrived: Promise<void>; cancel: () => void } {
    const waiting = this.#waiting.get(ref.mediaId) ?? new Set()
    this.#waiting.set(ref.mediaId, waiting)
    const ended = new AbortController()
    const wake = (): void => ended.abort()
    waiting.add(wake)
    signal.addEventListener('abort', wake, { once: true })
    if (signal.aborted) wake()
    return {
      arrived: this.#context.time.sleep(timeoutMs, ended.signal),
      cancel: () => {
        wake()
        signal.removeEventListener('abort', wake)
        waiting.delete(wake)
        if (waiting.size === 0 && this.#waiting.get(ref.mediaId) === waiting) this.#waiting.delete(ref.mediaId)
      },
    }
  }
}

export function isExpired(row: MediaRow, now: number): boolean {
  return row.hash === null && row.expires_ts !== null && row.expires_ts <= now
}

export function notFound(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such media')
}
