import type { z } from 'zod'
import { JsonError, type JsonValue, parseJson } from '../protocol/json.js'
import { type Errcode, MatrixError } from '../protocol/matrix-error.js'
import type { Route } from './route.js'

const NO_PARAMETERS: Readonly<Record<string, never>> = Object.freeze(Object.create(null))

/** Path parameters after their schema. @throws MatrixError M_INVALID_PARAM */
export function validParams(route: Route, params: Record<string, string>): unknown {
  return route.params === undefined ? params : checked(route.params, params, 'M_INVALID_PARAM', 'M_INVALID_PARAM')
}

/** A repeated parameter is an array. @throws MatrixError M_MISSING_PARAM, M_INVALID_PARAM */
export function validQuery(route: Route, query: Record<string, string | string[]>): unknown {
  return route.query === undefined ? query : checked(route.query, query, 'M_MISSING_PARAM', 'M_INVALID_PARAM')
}

/**
 * The body after its schema; the media type a client claims does not matter. An empty body stands for `{}` where that is
 * enough for the route, save in a PUT, whose body is the thing itself.
 * @throws MatrixError M_NOT_JSON, M_BAD_JSON
 */
export function validBody(route: Route, bytes: Buffer): unknown {
  if (route.body === undefined || route.body === 'stream') return NO_PARAMETERS
  if (bytes.length > 0) return checked(route.body, parsed(bytes), 'M_BAD_JSON', 'M_BAD_JSON')
  const nothing = route.method === 'PUT' ? undefined : route.body.safeParse(Object.create(null))
  if (nothing?.success !== true) throw new MatrixError('M_NOT_JSON', 'The request has no body')
  return nothing.data
}

function parsed(bytes: Buffer): JsonValue {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonError) throw new MatrixError(error.errcode, error.message)
    throw error
  }
}

function checked(schema: z.ZodType, value: unknown, missing: Errcode, invalid: Errcode): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path ?? []
  const where = path.length === 0 ? '' : `${path.map(String).join('.').slice(0, 100)}: `
  const isMissing = path.length > 0 && valueAt(value, path) === undefined
  throw new MatrixError(isMissing ? missing : invalid, `${where}${issue?.message ?? 'invalid'}`)
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}
