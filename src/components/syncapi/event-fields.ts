import { isJsonObject, type JsonObject, type JsonValue, parseStoredJson, stringifyJson } from '../../protocol/json.js'

type Path = readonly string[]

/** Makes the function that keeps only some properties of events, as JSON text. CS API "Filtering", `event_fields`. */
export function eventFieldsOf(fields: readonly string[] | undefined): (eventText: string) => string {
  if (fields === undefined) return (eventText) => eventText
  const paths = fields.map(splitPath)
  return (eventText) => {
    const event = parseStoredJson(eventText)
    return isJsonObject(event) ? stringifyJson(pick(event, paths)) : eventText
  }
}

/** Appendices "Dot-separated property paths": `\.` is a dot of the name, `\\` a backslash. */
function splitPath(field: string): Path {
  const keys: string[] = []
  let key = ''
  for (let index = 0; index < field.length; index++) {
    const character = field[index] ?? ''
    const next = field[index + 1]
    if (character === '\\' && (next === '.' || next === '\\')) {
      key += next
      index++
    } else if (character === '.') {
      keys.push(key)
      key = ''
    } else {
      key += character
    }
  }
  return [...keys, key]
}

function pick(object: JsonObject, paths: readonly Path[]): JsonObject {
  const picked: Record<string, JsonValue> = Object.create(null)
  const deeper = new Map<string, Path[]>()
  for (const [key = '', ...rest] of paths) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined
    if (value === undefined) continue
    if (rest.length === 0) picked[key] = value
    else deeper.set(key, [...(deeper.get(key) ?? []), rest])
  }
  for (const [key, rest] of deeper) {
    const value = object[key]
    if (Object.hasOwn(picked, key) || !isJsonObject(value)) continue
    const inside = pick(value, rest)
    if (Object.keys(inside).length > 0) picked[key] = inside
  }
  return picked
}
