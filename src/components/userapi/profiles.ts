import { LoadingCache } from '../../platform/loading-cache.js'
import { fitsBytes, MAX_ID_BYTES, type UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject, type JsonValue, parseStoredJson, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { Profiles } from './api.js'
import { type Context, TOPICS } from './context.js'
import { REPLACE_PROFILE, SELECT_PROFILES } from './store/profiles.js'

/** Of the whole profile (CS "Profiles"). */
const PROFILE_BYTES = 65_536
const DISPLAY_NAME_LENGTH = 256
const AVATAR_URL_LENGTH = 1_000
/** Concurrent changes of one profile; each round lets one of them through. */
const ATTEMPTS = 20

interface StoredProfile {
  readonly text: string
  readonly fields: JsonObject
}

export function createProfiles(context: Context): Profiles {
  const { database, bus, caches } = context
  const cache = new LoadingCache<UserId, StoredProfile>(
    caches.cache('userapi.profiles', (profile) => 300 + profile.text.length * 4),
    async (userIds) => {
      const rows = await database.run(SELECT_PROFILES, userIds)
      return new Map(rows.map((row) => [row.user_id, { text: row.fields, fields: parseFields(row.fields) }]))
    },
  )
  bus.subscribe(TOPICS.profiles, (userIds) => cache.invalidate(userIds as readonly UserId[]))

  return {
    profile: async (userId) => (await cache.get(userId))?.fields,

    async profiles(userIds) {
      const found = await cache.getMany(userIds)
      return new Map([...found].map(([userId, profile]) => [userId, profile.fields]))
    },

    async setProfileField(userId, field, value) {
      checkField(field, value)
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const before = await cache.get(userId)
        if (before === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
        const after = stringifyJson(withField(before.fields, field, value))
        if (after === before.text) return
        if (value !== undefined && Buffer.byteLength(after) > PROFILE_BYTES) {
          throw new MatrixError('M_PROFILE_TOO_LARGE', 'A profile may have 64 KiB')
        }
        const replaced = await database.run(REPLACE_PROFILE, userId, before.text, after)
        bus.publish(TOPICS.profiles, [userId])
        if (replaced.length > 0) return
      }
      throw new MatrixError('M_UNKNOWN', 'The profile is being changed by others', { status: 409 })
    },
  }
}

function parseFields(text: string): JsonObject {
  const fields = parseStoredJson(text)
  if (!isJsonObject(fields)) throw new Error('a stored profile is not an object')
  return fields
}

function withField(fields: JsonObject, field: string, value: JsonValue | undefined): JsonObject {
  const changed = Object.assign(Object.create(null), fields)
  if (value === undefined) delete changed[field]
  else changed[field] = value
  return changed
}

function checkField(field: string, value: JsonValue | undefined): void {
  if (!fitsBytes(field, MAX_ID_BYTES)) throw new MatrixError('M_KEY_TOO_LARGE', 'A profile key may have 255 bytes')
  const limit = field === 'displayname' ? DISPLAY_NAME_LENGTH : field === 'avatar_url' ? AVATAR_URL_LENGTH : undefined
  if (limit !== undefined && typeof value === 'string' && value.length > limit) {
    throw new MatrixError('M_TOO_LARGE', `${field} may have ${limit} characters`, { status: 400 })
  }
}
