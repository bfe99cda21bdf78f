import { z } from 'zod'
import { isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'

/** Any JSON object, as it was parsed: no member is lost, renamed or copied. */
export const jsonObjectSchema = z.custom<JsonObject>(
  (value) => isJsonObject(value as JsonValue),
  'a JSON object is expected',
)

/** Any JSON value. */
export const jsonValueSchema = z.custom<JsonValue>((value) => value !== undefined, 'a value is expected')

/** The body of a request that user-interactive authentication may be part of. */
export const withAuth = { auth: jsonObjectSchema.optional() }
