import { randomBytes } from 'node:crypto'
import type { Executor, Transaction } from '../../platform/database.js'
import { KeyedQueue } from '../../platform/keyed-queue.js'
import type { Loop } from '../../platform/loop.js'
import type { UserId } from '../../protocol/ids.js'
import { limitExceeded, MatrixError } from '../../protocol/matrix-error.js'
import type { MediaApi, MediaRef, Upload } from './api.js'
import type { Context } from './context.js'
import { CONTENT, type Received, tooLarge } from './file-store.js'
import { keepFile } from './keep-file.js'
import { isExpired, type MediaRecords, notFound } from './media-records.js'
import {
  COMPLETE_MEDIA,
  COUNT_PENDING_MEDIA,
  DELETE_EXPIRED_MEDIA,
  INSERT_MEDIA,
  INSERT_PENDING_MEDIA,
  SELECT_MEDIA,
} from './store/media.js'

/** The time that the specification recommends for URIs without content. */
const UNUSED_MS = 24 * 60 * 60 * 1000
/** URIs of one user that wait for their content. */
const PENDING_PER_USER = 5
/** Uploads of one user at the same time: what is under way takes room on the disk. */
const UPLOADS_PER_USER = 10
const EXPIRY_INTERVAL_MS = 60 * 60 * 1000

/** RFC 9110 section 8.3.1, of a length that headers can bear. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}(?:[\t ]*;[\t\x20-\x7e]{0,200})?$/
const UNKNOWN_TYPE = 'application/octet-stream'
/** Longer names than any file system knows. */
const LONGEST_NAME = 1_024

/** What comes from clients: with content, or first a URI and then its content. */
export class Uploads implements Pick<MediaApi, 'upload' | 'create' | 'uploadTo' | 'maxUploadBytes'> {
  readonly maxUploadBytes: number | undefined
  readonly #context: Context
  readonly #records: MediaRecords
  /** Called with each new content. */
  readonly #onContent: (hash: string) => void
  readonly #creating = new KeyedQueue()
  readonly #underWay = new Map<UserId, number>()
  #expiry: Loop | undefined

  constructor(context: Context, records: MediaRecords, onContent: (hash: string) => void) {
    const limit = context.config.max_file_size_bytes
    this.maxUploadBytes = limit === 0 ? undefined : limit
    this.#context = context
    this.#records = records
    this.#onContent = onContent
  }

  start(): void {
    this.#expiry = this.#context.loops.start({
      name: 'mediaapi.expiry',
      owner: 'mediaapi',
      intervalMs: EXPIRY_INTERVAL_MS,
      body: async () => {
        await this.#context.database.run(DELETE_EXPIRED_MEDIA, this.#context.time.now())
      },
    })
  }

  async stop(): Promise<void> {
    await this.#expiry?.stop()
  }

  upload = async (upload: Upload): Promise<MediaRef> => {
    const ref = this.#newRef()
    const { time } = this.#context
    await this.#take(upload, async (tx, { hash, sizeBytes }, { contentType, fileName }) => {
      const { origin, mediaId } = ref
      await tx.run(INSERT_MEDIA, origin, mediaId, upload.userId, time.now(), hash, contentType, sizeBytes, fileName)
    })
    return ref
  }

  create = (userId: UserId): Promise<{ ref: MediaRef; expiresTs: number }> =>
    this.#creating.run(userId, async () => {
      const { database, time } = this.#context
      const now = time.now()
      const [waiting] = await database.run(COUNT_PENDING_MEDIA, userId, now)
      if (waiting !== undefined && waiting.pending >= PENDING_PER_USER) {
        throw limitExceeded((waiting.first_ts ?? now) - now, 'Too many media wait for their content')
      }
      const ref = this.#newRef()
      const expiresTs = now + UNUSED_MS
      await database.run(INSERT_PENDING_MEDIA, ref.origin, ref.mediaId, userId, now, expiresTs)
      return { ref, expiresTs }
    })

  uploadTo = async (ref: MediaRef, upload: Upload): Promise<void> => {
    await this.#checkPending(this.#context.database, ref, upload.userId)
    await this.#take(upload, async (tx, { hash, sizeBytes }, { contentType, fileName }) => {
      const { origin, mediaId } = ref
      const written = await tx.run(COMPLETE_MEDIA, origin, mediaId, hash, contentType, sizeBytes, fileName)
      if (written.length > 0) return
      // Somebody was faster, or it has ended meanwhile.
      await this.#checkPending(tx, ref, upload.userId)
      throw notFound()
    })
    this.#records.completed(ref)
  }

  #newRef(): MediaRef {
    return { origin: this.#context.serverName, mediaId: randomBytes(18).toString('base64url') }
  }

  async #checkPending(executor: Executor, { origin, mediaId }: MediaRef, userId: UserId): Promise<void> {
    const isLocal = origin === this.#context.serverName
    const [row] = isLocal ? await executor.run(SELECT_MEDIA, origin, mediaId) : []
    if (row === undefined || isExpired(row, this.#context.time.now())) throw notFound()
    if (row.user_id !== userId) throw new MatrixError('M_FORBIDDEN', 'Somebody else has made this URI')
    if (row.hash !== null) throw new MatrixError('M_CANNOT_OVERWRITE_MEDIA', 'This media has its content already')
  }

  async #take(
    upload: Upload,
    writeRow: (
      tx: Transaction,
      received: Received,
      names: { readonly contentType: string; readonly fileName: string | null },
    ) => Promise<void>,
  ): Promise<void> {
    const { files } = this.#context
    const limit = this.maxUploadBytes
    const names = { contentType: mediaType(upload.contentType), fileName: checkedName(upload.fileName) }
    if (limit !== undefined && upload.length !== undefined && upload.length > limit) throw tooLarge(limit)
    await this.#asOneOfFew(upload.userId, async () => {
      const received = await files.receive(upload.content, limit)
      const place = { hash: received.hash, name: CONTENT }
      await keepFile(this.#context, received, place, (tx) => writeRow(tx, received, names))
      this.#onContent(received.hash)
    })
  }

  async #asOneOfFew(userId: UserId, action: () => Promise<void>): Promise<void> {
    const count = this.#underWay.get(userId) ?? 0
    if (count >= UPLOADS_PER_USER) throw limitExceeded(1_000, 'Too many uploads at the same time')
    this.#underWay.set(userId, count + 1)
    try {
      await action()
    } finally {
      const left = (this.#underWay.get(userId) ?? 1) - 1
      if (left > 0) this.#underWay.set(userId, left)
      else this.#underWay.delete(userId)
    }
  }
}

/** What can be sent back as a header; the rest is bytes of an unknown kind. */
function mediaType(claimed: string | undefined): string {
  const trimmed = claimed?.trim() ?? ''
  return MEDIA_TYPE.test(trimmed) ? trimmed : UNKNOWN_TYPE
}

function checkedName(name: string | undefined): string | null {
  if (name === undefined || name === '') return null
  if (name.length > LONGEST_NAME)
    throw new MatrixError('M_INVALID_PARAM', `A file name may have ${LONGEST_NAME} characters`)
  return name
}
