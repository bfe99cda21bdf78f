import { hash } from 'node:crypto'
import { canonicalJson, type JsonObject } from '../json.js'
import type { RoomVersion } from '../room-version.js'
import { without } from '../signing.js'
import { redactJson } from './redact.js'

/** SHA-256 of a text's UTF-8 in unpadded base64. */
export function sha256(text: string): string {
  // 32 bytes are always 43 digits and one of padding.
  return hash('sha256', text, 'base64').slice(0, -1)
}

/** The same in the URL-safe alphabet. */
export function toUrlSafe(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

/** Server-server API "Calculating the content hash for an event": unpadded base64. */
export function contentHash(event: JsonObject): string {
  return sha256(canonicalJson(without(event, 'unsigned', 'signatures', 'hashes')))
}

/**
 * What the event's signatures cover, which is also what its reference hash is of: the redacted event without
 * `signatures` and `unsigned`.
 */
export function essentialText(version: RoomVersion, event: JsonObject): string {
  return canonicalJson(without(redactJson(version, event), 'signatures', 'unsigned'))
}

/** Server-server API "Calculating the reference hash for an event": unpadded base64. */
export function referenceHash(version: RoomVersion, event: JsonObject): string {
  return sha256(essentialText(version, event))
}
