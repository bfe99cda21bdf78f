import { z } from 'zod'
import type { Requester } from '../../components/userapi/index.js'
import { fitsBytes, isNamespacedId, MAX_ID_BYTES, type UserId } from '../../protocol/ids.js'
import { getValue, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { refuseSuspended } from '../../workflows/room-parts.js'
import { setProfileField } from '../../workflows/set-profile.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'

const fieldParams = z.object({ userId: userIdSchema, keyName: z.string() })

/** The fields that are texts; an empty one is none (clients clear them so). */
const TEXT_FIELDS: ReadonlySet<string> = new Set(['displayname', 'avatar_url'])

export function profileRoutes({ userapi, roomserver }: Pick<RouteDeps, 'userapi' | 'roomserver'>): Route[] {
  const profileOf = async (userId: UserId): Promise<JsonObject> => {
    const profile = userapi.isLocal(userId) ? await userapi.profile(userId) : undefined
    if (profile === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no profile of this user here')
    return profile
  }
  const path = '/_matrix/client/v3/profile/{userId}'
  const fieldPath = '/_matrix/client/v3/profile/{userId}/{keyName}'
  const versions = ['r0']
  return [
    route({
      method: 'GET',
      path,
      versions,
      auth: 'none',
      params: z.object({ userId: userIdSchema }),
      handler: ({ params }) => profileOf(params.userId),
    }),
    route({
      method: 'GET',
      path: fieldPath,
      versions,
      auth: 'none',
      params: fieldParams,
      async handler({ params: { userId, keyName } }) {
        const value = getValue(await profileOf(userId), keyName)
        if (value !== undefined) return single(keyName, value)
        // Clients of old take a 404 here for "no such user".
        if (keyName === 'displayname' || keyName === 'avatar_url') return {}
        throw new MatrixError('M_NOT_FOUND', 'The profile has no such field')
      },
    }),
    route({
      method: 'PUT',
      path: fieldPath,
      versions,
      auth: 'guest',
      rateLimit: 'client',
      params: fieldParams,
      body: jsonObjectSchema,
      async handler({ user, params: { userId, keyName }, body }) {
        checkMayChange(user, userId, keyName)
        const value = fieldValue(keyName, getValue(body, keyName))
        await setProfileField({ userapi, roomserver }, { userId, field: keyName, value })
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: fieldPath,
      versions,
      auth: 'guest',
      rateLimit: 'client',
      params: fieldParams,
      async handler({ user, params: { userId, keyName } }) {
        checkMayChange(user, userId, keyName)
        await setProfileField({ userapi, roomserver }, { userId, field: keyName, value: undefined })
        return {}
      },
    }),
  ]
}

function single(name: string, value: JsonValue): JsonObject {
  return Object.assign(Object.create(null), { [name]: value })
}

/** @throws MatrixError M_FORBIDDEN, M_USER_SUSPENDED, M_GUEST_ACCESS_FORBIDDEN, M_KEY_TOO_LARGE, M_INVALID_PARAM */
function checkMayChange(user: Requester, userId: UserId, field: string): void {
  if (user.userId !== userId) throw new MatrixError('M_FORBIDDEN', "Another user's profile cannot be changed")
  refuseSuspended(user)
  if (user.accountType === 'guest' && field !== 'displayname') {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may change their display name only')
  }
  if (!fitsBytes(field, MAX_ID_BYTES)) throw new MatrixError('M_KEY_TOO_LARGE', 'A profile key may have 255 bytes')
  if (!isNamespacedId(field)) throw new MatrixError('M_INVALID_PARAM', 'This is no valid profile key')
}

/** Undefined: the field goes. @throws MatrixError M_MISSING_PARAM, M_BAD_JSON */
function fieldValue(field: string, value: JsonValue | undefined): JsonValue | undefined {
  if (value === undefined) throw new MatrixError('M_MISSING_PARAM', `The body has no ${field}`)
  if (TEXT_FIELDS.has(field)) {
    if (value === null || value === '') return undefined
    if (typeof value !== 'string') throw new MatrixError('M_BAD_JSON', `${field}: a string is expected`)
  }
  if (field === 'm.tz' && typeof value !== 'string') throw new MatrixError('M_BAD_JSON', 'm.tz: a string is expected')
  return value
}
