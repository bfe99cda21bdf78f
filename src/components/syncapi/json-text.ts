import { quote } from '../../protocol/json.js'

/** Answers are put together from JSON texts: events are spliced in as they are stored, and never parsed. */

/** An object of `[key, text of the value]`; members without a value are left out. */
export function objectText(members: Iterable<readonly [key: string, value: string | undefined]>): string {
  const texts: string[] = []
  for (const [key, value] of members) if (value !== undefined) texts.push(`${quote(key)}:${value}`)
  return `{${texts.join(',')}}`
}

export function arrayText(elements: readonly string[]): string {
  return `[${elements.join(',')}]`
}

export function stringsText(strings: Iterable<string>): string {
  return arrayText(Array.from(strings, quote))
}

/** `{"events": [...]}`, which most parts of an answer are. */
export function eventsText(events: readonly string[]): string {
  return `{"events":${arrayText(events)}}`
}

/** An event without anything but its type and content: account data, typing, receipts. */
export function contentEventText(type: string, content: string): string {
  return `{"content":${content},"type":${quote(type)}}`
}
