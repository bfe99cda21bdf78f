import { quote } from '../protocol/json.js'
import { Reply } from './route.js'

/** JSON text of an object, from texts that are JSON already. Members without a text are left out. */
export function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const texts: string[] = []
  for (const [name, text] of Object.entries(members)) if (text !== undefined) texts.push(`${quote(name)}:${text}`)
  return `{${texts.join(',')}}`
}

export function arrayText(texts: readonly string[]): string {
  return `[${texts.join(',')}]`
}

/** A string member that may be absent. */
export function quoted(text: string | undefined): string | undefined {
  return text === undefined ? undefined : quote(text)
}

/** An answer that is made of events: their texts are put in as they are, not parsed and written again. */
export function textReply(text: string): Reply {
  return new Reply({ body: text })
}
