import { createHash } from 'node:crypto'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { Filters } from './api.js'
import type { Context } from './context.js'
import { INSERT_FILTER, SELECT_FILTER, SELECT_FILTER_BY_HASH } from './store/filters.js'

const FILTER_BYTES = 65_536
const FILTERS_PER_USER = 1_000
/** Concurrent requests of one user; each round lets one of them through. */
const ATTEMPTS = 20
/** As ids are given out: no sign, no leading zero, within an integer column. */
const FILTER_ID = /^(?:0|[1-9]\d{0,8})$/

export function createFilters({ database, caches }: Context): Filters {
  // A filter never changes once it has its id.
  const cache = caches.cache<string, string>('userapi.filters', (filter) => 100 + filter.length)

  return {
    async saveFilter(userId, filter) {
      if (Buffer.byteLength(filter) > FILTER_BYTES) throw new MatrixError('M_TOO_LARGE', 'A filter may have 64 KiB')
      const hash = createHash('sha256').update(filter).digest()
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const [stored] = await database.run(SELECT_FILTER_BY_HASH, userId, hash)
        if (typeof stored?.filter_id === 'number') return String(stored.filter_id)
        if (stored !== undefined && stored.count >= FILTERS_PER_USER) {
          throw new MatrixError('M_TOO_LARGE', `A user may have ${FILTERS_PER_USER} filters`)
        }
        const [made] = await database.run(INSERT_FILTER, userId, filter, hash)
        if (made !== undefined) return String(made.filter_id)
      }
      throw new MatrixError('M_UNKNOWN', 'Too many filters are being made at once', { status: 409 })
    },

    async filter(userId, filterId) {
      if (!FILTER_ID.test(filterId)) return undefined
      const key = `${userId} ${filterId}`
      const known = cache.get(key)
      if (known !== undefined) return known
      const [row] = await database.run(SELECT_FILTER, userId, Number(filterId))
      if (row !== undefined) cache.set(key, row.filter)
      return row?.filter
    },
  }
}
