import { KeyedQueue } from '../../platform/keyed-queue.js'
import type { FindOptions, MediaApi, MediaFile, MediaRef } from './api.js'
import type { Context, MediaApiDeps } from './context.js'
import { CONTENT, FileStore } from './file-store.js'
import { removeLeftovers } from './keep-file.js'
import { MediaRecords } from './media-records.js'
import { Thumbnails } from './thumbnails/thumbnails.js'
import { Uploads } from './uploads.js'

export type { MediaApiDeps } from './context.js'

/** Media of this server's users, on the disk of this machine. */
export function createMediaApi(deps: MediaApiDeps): MediaApi {
  const context: Context = { ...deps, files: new FileStore(deps.config.base_path), contents: new KeyedQueue() }
  const records = new MediaRecords(context)
  const thumbnails = new Thumbnails(context)
  const uploads = new Uploads(context, records, (hash) => thumbnails.prepare(hash))
  return {
    maxUploadBytes: uploads.maxUploadBytes,
    upload: uploads.upload,
    create: uploads.create,
    uploadTo: uploads.uploadTo,
    async download(ref: MediaRef, options: FindOptions): Promise<MediaFile> {
      const { hash, contentType, sizeBytes, fileName } = await records.find(ref, options)
      return {
        contentType,
        sizeBytes,
        fileName,
        version: hash,
        open: (range) => context.files.read(hash, CONTENT, range),
      }
    },
    async thumbnail(ref, wanted, options) {
      const media = await records.find(ref, options)
      return thumbnails.of(media, wanted, options.signal)
    },
    async start() {
      await removeLeftovers(context)
      uploads.start()
    },
    async stop() {
      await Promise.all([uploads.stop(), thumbnails.stop()])
    },
  }
}
