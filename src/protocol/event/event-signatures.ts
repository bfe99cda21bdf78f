import type { ServerName } from '../ids.js'
import { canonicalJson, isJsonObject, type JsonObject, parseStoredJson } from '../json.js'
import { type SigningKey, signaturesOf, signText, withSignature } from '../signing.js'
import { essentialText } from './hashes.js'
import type { Pdu } from './pdu.js'

/** What has to be verified: the text that all signatures of the event cover, and the signatures of each server asked for. */
export interface EventSignatures {
  readonly text: string
  /** Signatures in base64 by key id; empty for a server that has not signed. */
  readonly of: ReadonlyMap<ServerName, ReadonlyMap<string, string>>
}

/** Server-server API "Validating hashes and signatures on received events". */
export function eventSignatures(pdu: Pdu, servers: Iterable<ServerName>): EventSignatures {
  const event = objectOf(pdu)
  const of = new Map([...servers].map((server) => [server, signaturesOf(event, server)] as const))
  return { text: essentialText(pdu.version, event), of }
}

/** The event with one more signature, as a resident or an invited server puts it on somebody else's event. */
export function signPdu(pdu: Pdu, server: ServerName, key: SigningKey): Pdu {
  const event = objectOf(pdu)
  const signature = signText(essentialText(pdu.version, event), key)
  return { ...pdu, json: canonicalJson(withSignature(event, server, key.keyId, signature)) }
}

function objectOf(pdu: Pdu): JsonObject {
  const event = parseStoredJson(pdu.json)
  if (!isJsonObject(event)) throw new Error(`the JSON of ${pdu.eventId} is not an object`)
  return event
}
