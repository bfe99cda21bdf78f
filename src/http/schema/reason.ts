import { z } from 'zod'
import { getString, isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { userIdSchema } from './ids.js'

/**
 * A body that may say why. It is kept as it came: what else is in it may be meant for the event. `null` is no reason.
 */
export const reasonedBody = z.custom<JsonObject>((value) => {
  if (!isJsonObject(value as JsonValue)) return false
  const { reason } = value as JsonObject
  return reason === undefined || reason === null || typeof reason === 'string'
}, 'reason: a string is expected')

/** What moderators and those who invite say: whom, and perhaps why. */
export const targetBody = z.object({ user_id: userIdSchema, reason: z.string().nullish() })

/** Content of a membership event: the reason, where there is one. */
export function reasonContent(reason: string | null | undefined): JsonObject {
  return typeof reason === 'string' ? { reason } : {}
}

export function reasonIn(body: JsonObject): JsonObject {
  return reasonContent(getString(body, 'reason'))
}
