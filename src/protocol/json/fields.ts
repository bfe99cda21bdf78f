import { isJsonObject, type JsonObject, type JsonValue } from './value.js'

/**
 * Readers of a member, undefined when it is absent or of another type. Unlike a plain access they never find something
 * on a prototype, so they are right for objects that were written in code too.
 */
export function getValue(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export function getString(object: JsonObject, key: string): string | undefined {
  const value = getValue(object, key)
  return typeof value === 'string' ? value : undefined
}

export function getBoolean(object: JsonObject, key: string): boolean | undefined {
  const value = getValue(object, key)
  return typeof value === 'boolean' ? value : undefined
}

/** An integer within +-(2^53 - 1), written as one: `1.0` is not. */
export function getInteger(object: JsonObject, key: string): number | undefined {
  const value = getValue(object, key)
  return Number.isSafeInteger(value) && typeof value === 'number' ? value : undefined
}

export function getObject(object: JsonObject, key: string): JsonObject | undefined {
  const value = getValue(object, key)
  return isJsonObject(value) ? value : undefined
}

export function getArray(object: JsonObject, key: string): readonly JsonValue[] | undefined {
  const value = getValue(object, key)
  return Array.isArray(value) ? value : undefined
}

/** The strings of an array; undefined when it is not an array, or holds anything else. */
export function getStrings(object: JsonObject, key: string): readonly string[] | undefined {
  const value = getArray(object, key)
  return value?.every((element): element is string => typeof element === 'string') ? value : undefined
}
