import { z } from 'zod'
import { getObject, isJsonObject, type JsonObject, LosslessNumber, parseStoredJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { keySchema, roomIdSchema, userIdSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { requireOwn } from './own-user.js'

const TAGS = 'm.tag'
const listParams = z.object({ userId: userIdSchema, roomId: roomIdSchema })
const tagParams = listParams.extend({ tag: keySchema })

export function tagsRoutes({ userapi }: Pick<RouteDeps, 'userapi'>): Route[] {
  const shared = { versions: ['r0'], auth: 'user' } as const
  const tagPath = '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}'
  return [
    route({
      ...shared,
      method: 'GET',
      path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags',
      params: listParams,
      async handler({ user, params }) {
        requireOwn(user, params.userId)
        const entry = await userapi.accountData(user.userId, params.roomId, TAGS)
        const content = entry === undefined ? null : parseStoredJson(entry.content)
        return { tags: isJsonObject(content) ? tagsOf(content) : {} }
      },
    }),
    route({
      ...shared,
      method: 'PUT',
      path: tagPath,
      rateLimit: 'client',
      params: tagParams,
      body: jsonObjectSchema,
      async handler({ user, params, body }) {
        requireOwn(user, params.userId)
        checkOrder(body)
        await userapi.updateAccountData(user.userId, params.roomId, TAGS, (content) =>
          withMember(content, 'tags', withMember(tagsOf(content), params.tag, body)),
        )
        return {}
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: tagPath,
      rateLimit: 'client',
      params: tagParams,
      async handler({ user, params }) {
        requireOwn(user, params.userId)
        await userapi.updateAccountData(user.userId, params.roomId, TAGS, (content) => {
          const tags = tagsOf(content)
          if (!Object.hasOwn(tags, params.tag)) return undefined
          return withMember(content, 'tags', withMember(tags, params.tag, undefined))
        })
        return {}
      },
    }),
  ]
}

function tagsOf(content: JsonObject): JsonObject {
  return getObject(content, 'tags') ?? Object.create(null)
}

/** A copy with one member set, or removed. Without a prototype: any name can be a member. */
function withMember(object: JsonObject, name: string, value: JsonObject | undefined): JsonObject {
  const copy = Object.assign(Object.create(null), object)
  if (value === undefined) delete copy[name]
  else copy[name] = value
  return copy
}

function checkOrder(tag: JsonObject): void {
  const { order } = tag
  if (order === undefined || typeof order === 'number' || order instanceof LosslessNumber) return
  throw new MatrixError('M_BAD_JSON', 'order: a number is expected')
}
