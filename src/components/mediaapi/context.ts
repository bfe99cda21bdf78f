import type { MediaApiConfig } from '../../config/schema.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import type { KeyedQueue } from '../../platform/keyed-queue.js'
import type { Log } from '../../platform/log.js'
import type { Loops } from '../../platform/loop.js'
import type { Clock } from '../../platform/time.js'
import type { ServerName } from '../../protocol/ids.js'
import type { FileStore } from './file-store.js'

export interface MediaApiDeps {
  readonly serverName: ServerName
  readonly config: Pick<
    MediaApiConfig,
    'base_path' | 'max_file_size_bytes' | 'dynamic_thumbnails' | 'max_thumbnail_generators' | 'thumbnail_sizes'
  >
  readonly database: Database
  readonly caches: CacheBudget
  readonly loops: Loops
  readonly time: Clock
  readonly log: Log
}

/** What the parts of the component share. */
export interface Context extends MediaApiDeps {
  readonly files: FileStore
  /** Whoever puts a file in place or takes it away, one after the other; keyed by hash. */
  readonly contents: KeyedQueue
}
