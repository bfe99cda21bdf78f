import type { Readable } from 'node:stream'
import type { ServerName, UserId } from '../../protocol/ids.js'

/** The two parts of an mxc:// URI. Whoever makes one has checked them: the store trusts that the id is `[A-Za-z0-9_-]`. */
export interface MediaRef {
  readonly origin: ServerName
  readonly mediaId: string
}

export interface Upload {
  readonly userId: UserId
  /** As the client has written it; what is no media type is stored as application/octet-stream. */
  readonly contentType: string | undefined
  readonly fileName: string | undefined
  /** Bytes, where they are known before. */
  readonly length: number | undefined
  /** Is read to its end, or left as it is when the upload is refused. */
  readonly content: Readable
}

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Something that can be sent to a client. */
export interface MediaFile {
  readonly contentType: string
  readonly sizeBytes: number
  /** What it was uploaded as. */
  readonly fileName: string | undefined
  /** Stands for these bytes and no others; fit for an ETag. */
  readonly version: string
  /** Opens the file. @throws MatrixError M_NOT_FOUND when it has gone */
  open(range?: ByteRange): Promise<Readable>
}

export type ThumbnailMethod = 'crop' | 'scale'

export interface WantedThumbnail {
  /** Pixels, at least 1. */
  readonly width: number
  readonly height: number
  readonly method: ThumbnailMethod
  /** A moving one, if there can be. */
  readonly animated: boolean
}

export interface FindOptions {
  /** How long to wait for content that has been announced and not uploaded yet. */
  readonly timeoutMs: number
  /** Ends the wait. */
  readonly signal: AbortSignal
  /** Only what was stored before the endpoints without authentication were frozen. */
  readonly beforeFreeze?: boolean
}

/** The content repository. Content of other servers is not found. */
export interface MediaApi {
  /** The biggest upload in bytes; undefined: any. */
  readonly maxUploadBytes: number | undefined

  /** @throws MatrixError M_TOO_LARGE, M_LIMIT_EXCEEDED; M_UNKNOWN (507) when the disk is full */
  upload(upload: Upload): Promise<MediaRef>

  /** A URI whose content follows. @throws MatrixError M_LIMIT_EXCEEDED when too many of the user's wait already */
  create(userId: UserId): Promise<{ readonly ref: MediaRef; readonly expiresTs: number }>

  /**
   * The content of a URI that `create` has made.
   * @throws MatrixError M_NOT_FOUND (unknown, or has ended), M_FORBIDDEN (somebody else's), M_CANNOT_OVERWRITE_MEDIA, and as
   *   `upload`
   */
  uploadTo(ref: MediaRef, upload: Upload): Promise<void>

  /** @throws MatrixError M_NOT_FOUND, M_NOT_YET_UPLOADED */
  download(ref: MediaRef, options: FindOptions): Promise<MediaFile>

  /**
   * The thumbnail that fits best, or the picture itself where no smaller one would do.
   * @throws MatrixError M_NOT_FOUND, M_NOT_YET_UPLOADED; M_UNKNOWN (not a picture we decode), M_TOO_LARGE (too many pixels),
   *   M_LIMIT_EXCEEDED (too many are waiting)
   */
  thumbnail(ref: MediaRef, wanted: WantedThumbnail, options: FindOptions): Promise<MediaFile>

  /** Removes what a crash has left. */
  start(): Promise<void>
  stop(): Promise<void>
}
