import { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { Cache } from '../../../platform/cache.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { MediaFile, WantedThumbnail } from '../api.js'
import type { Context } from '../context.js'
import { CONTENT } from '../file-store.js'
import { keepFile } from '../keep-file.js'
import type { StoredMedia } from '../media-records.js'
import { INSERT_IMAGE, SELECT_IMAGE } from '../store/images.js'
import { DELETE_THUMBNAIL, SELECT_THUMBNAILS, type ThumbnailRow, UPSERT_THUMBNAIL } from '../store/thumbnails.js'
import { chooseThumbnail, DEFAULT_SIZES, type Frame, type Image, kindsInAdvance, type ThumbnailKind } from './choose.js'
import { DecoderPool } from './decoder-pool.js'
import type { Refusal } from './protocol.js'
import { type ImageType, SNIFFED_BYTES, sniffImage } from './sniff.js'

/** Thumbnails of one picture whose size somebody has made up: each takes room on the disk. */
const MADE_UP_SIZES = 20
/** Pictures that cannot be decoded are not tried again for a while. */
const REFUSED_PICTURES = 1_000
const REFUSED_MS = 60 * 60 * 1000

/** What is known of a picture. */
interface Known {
  readonly image: Image
  readonly thumbnails: readonly ThumbnailRow[]
}

/** Small pictures of pictures: made once, kept beside their original. */
export class Thumbnails {
  readonly #context: Context
  readonly #sizes: readonly Frame[]
  readonly #pool: DecoderPool
  readonly #known: Cache<string, Known>
  readonly #refused = new LRUCache<string, Refusal>({ max: REFUSED_PICTURES, ttl: REFUSED_MS })
  /**
   * What is being made, so that it is made once for all who want it. By urgency: who wants a thumbnail now does not wait for
   * one whose turn comes last.
   */
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor(context: Context) {
    const { thumbnail_sizes, max_thumbnail_generators } = context.config
    this.#context = context
    this.#sizes = thumbnail_sizes.length > 0 ? thumbnail_sizes : DEFAULT_SIZES
    this.#pool = new DecoderPool(max_thumbnail_generators, context.time, context.log)
    this.#known = context.caches.cache('mediaapi.thumbnails', ({ thumbnails }) => 300 + 150 * thumbnails.length)
  }

  /** @throws MatrixError M_UNKNOWN (no picture), M_TOO_LARGE, M_NOT_FOUND (its file has gone), M_LIMIT_EXCEEDED */
  async of(media: StoredMedia, wanted: WantedThumbnail, signal: AbortSignal): Promise<MediaFile> {
    const { hash } = media
    const known = await waitFor(this.#knownOf(hash, 'wanted'), signal)
    const kind = this.#choose(known, wanted)
    if (kind === 'original') return this.#original(media, known.image)
    const row = find(known, kind) ?? (await waitFor(this.#made(hash, kind, 'wanted'), signal))
    return this.#file(hash, row)
  }

  /** Makes the configured sizes of new content while there is nothing else to do, if it is a picture. Never fails. */
  prepare(hash: string): void {
    const make = async (): Promise<void> => {
      const known = await this.#knownOf(hash, 'in-advance')
      for (const kind of kindsInAdvance(known.image, this.#sizes)) {
        if (find(known, kind) === undefined) await this.#made(hash, kind, 'in-advance')
      }
    }
    // Whoever asks for a thumbnail is told what is wrong with it.
    make().catch((error: unknown) => {
      if (!(error instanceof MatrixError)) this.#context.log.warn({ err: error, hash }, 'no thumbnails in advance')
    })
  }

  async stop(): Promise<void> {
    await this.#pool.stop()
    await Promise.allSettled(this.#underWay.values())
  }

  #choose({ image, thumbnails }: Known, wanted: WantedThumbnail): ThumbnailKind | 'original' {
    if (!this.#context.config.dynamic_thumbnails) return chooseThumbnail(image, wanted, this.#sizes, false)
    const exact = chooseThumbnail(image, wanted, this.#sizes, true)
    if (exact === 'original' || thumbnails.some((row) => isKind(row, exact))) return exact
    const madeUp = thumbnails.filter((row) => !this.#sizes.some((size) => isSize(row, size)))
    return madeUp.length < MADE_UP_SIZES ? exact : chooseThumbnail(image, wanted, [...this.#sizes, ...madeUp], false)
  }

  #knownOf(hash: string, urgency: 'wanted' | 'in-advance'): Promise<Known> {
    const known = this.#known.get(hash)
    if (known !== undefined) return Promise.resolve(known)
    return this.#once(`${urgency} ${hash}`, async () => {
      const image = (await this.#stored(hash)) ?? (await this.#measured(hash, urgency))
      const loaded = { image, thumbnails: await this.#context.database.run(SELECT_THUMBNAILS, hash) }
      this.#known.set(hash, loaded)
      return loaded
    })
  }

  async #stored(hash: string): Promise<Image | undefined> {
    const [row] = await this.#context.database.run(SELECT_IMAGE, hash)
    return row && { ...row, contentType: row.content_type as ImageType }
  }

  async #measured(hash: string, urgency: 'wanted' | 'in-advance'): Promise<Image> {
    const { files, database } = this.#context
    this.#refuseKnown(hash)
    const sniffed = sniffImage(await files.head(hash, SNIFFED_BYTES))
    if (sniffed === undefined) throw refusal('not-decodable')
    const answer = await this.#pool.ask({ ask: 'measure', file: files.path(hash, CONTENT) }, urgency)
    if (!('measured' in answer)) throw this.#refuse(hash, answer)
    const { width, height, frames } = answer.measured
    const animated = sniffed.contentType === 'image/gif' ? frames > 1 : sniffed.animated
    await database.run(INSERT_IMAGE, hash, sniffed.contentType, width, height, frames, animated)
    return { contentType: sniffed.contentType, width, height, frames, animated }
  }

  #made(hash: string, kind: ThumbnailKind, urgency: 'wanted' | 'in-advance'): Promise<ThumbnailRow> {
    return this.#once(`${urgency} ${hash} ${fileName(kind)}`, async () => {
      const { files, time } = this.#context
      const known = this.#known.get(hash)
      const there = known && find(known, kind)
      if (there !== undefined) return there
      this.#refuseKnown(hash)
      const answer = await this.#pool.ask({ ask: 'make', file: files.path(hash, CONTENT), kind }, urgency)
      if (!('made' in answer)) throw this.#refuse(hash, answer)
      const { bytes, contentType } = answer.made
      const received = await files.receive(Readable.from([Buffer.from(bytes)]), undefined)
      const { width, height, method, animated } = kind
      const sizeBytes = received.sizeBytes
      await keepFile(this.#context, received, { hash, name: fileName(kind) }, (tx) =>
        tx.run(UPSERT_THUMBNAIL, hash, width, height, method, animated, contentType, sizeBytes, time.now()),
      )
      const row: ThumbnailRow = { ...kind, content_type: contentType, size_bytes: sizeBytes }
      const before = this.#known.peek(hash)
      if (before !== undefined) {
        const others = before.thumbnails.filter((other) => !isKind(other, kind))
        this.#known.set(hash, { ...before, thumbnails: [...others, row] })
      }
      return row
    })
  }

  #original({ hash, sizeBytes }: StoredMedia, { contentType }: Image): MediaFile {
    const { files } = this.#context
    const open: MediaFile['open'] = (range) => files.read(hash, CONTENT, range)
    return { contentType, sizeBytes, fileName: undefined, version: hash, open }
  }

  #file(hash: string, row: ThumbnailRow): MediaFile {
    const { files, database } = this.#context
    const name = fileName(row)
    return {
      contentType: row.content_type,
      sizeBytes: row.size_bytes,
      fileName: undefined,
      // The same frame may be filled anew, by another version of the decoder.
      version: `${hash}-${name}-${row.size_bytes}`,
      open: async (range) => {
        try {
          return await files.read(hash, name, range)
        } catch (error) {
          // Somebody has cleared the thumbnails away: the next request makes it again.
          if (error instanceof MatrixError && error.errcode === 'M_NOT_FOUND') {
            await database.run(DELETE_THUMBNAIL, hash, row.width, row.height, row.method, row.animated)
            this.#known.delete(hash)
          }
          throw error
        }
      },
    }
  }

  #refuseKnown(hash: string): void {
    const known = this.#refused.get(hash)
    if (known !== undefined) throw refusal(known)
  }

  #refuse(hash: string, answer: object): MatrixError {
    const why: Refusal = 'refused' in answer && answer.refused === 'too-large' ? 'too-large' : 'not-decodable'
    this.#refused.set(hash, why)
    return refusal(why)
  }

  #once<T>(key: string, task: () => Promise<T>): Promise<T> {
    const running = this.#underWay.get(key)
    if (running !== undefined) return running as Promise<T>
    const started = task().finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, started)
    return started
  }
}

function find({ thumbnails }: Known, kind: ThumbnailKind): ThumbnailRow | undefined {
  return thumbnails.find((row) => isKind(row, kind))
}

function isKind(row: ThumbnailRow, kind: ThumbnailKind): boolean {
  return isSize(row, kind) && row.animated === kind.animated
}

function isSize(row: ThumbnailRow, size: Frame): boolean {
  return row.width === size.width && row.height === size.height && row.method === size.method
}

/** Dendrite's name, and one of our own for those that move. */
function fileName({ width, height, method, animated }: ThumbnailKind): string {
  return `thumbnail-${width}x${height}-${method}${animated ? '-animated' : ''}`
}

function refusal(why: Refusal): MatrixError {
  return why === 'too-large'
    ? new MatrixError('M_TOO_LARGE', 'This picture is too large to make a thumbnail of')
    : new MatrixError('M_UNKNOWN', 'No thumbnail can be made of this')
}

/** What is being made is finished for others, and for the next time, when this one does not want it any more. */
function waitFor<T>(made: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new MatrixError('M_UNKNOWN', 'The server is stopping', { status: 503 }))
    signal.addEventListener('abort', onAbort, { once: true })
    made.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) onAbort()
  })
}
