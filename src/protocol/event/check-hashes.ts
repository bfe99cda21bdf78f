import { getObject, getString, isJsonObject, parseStoredJson } from '../json.js'
import { decodeBase64 } from '../signing.js'
import { contentHash } from './hashes.js'
import type { Pdu } from './pdu.js'
import { redactPdu } from './redact.js'

/** Whether the event says what it said when its origin hashed it. False too for one that has been redacted. */
export function hasValidContentHash(pdu: Pdu): boolean {
  const event = parseStoredJson(pdu.json)
  if (!isJsonObject(event)) return false
  const claimed = decodeBase64(getString(getObject(event, 'hashes') ?? {}, 'sha256') ?? '')
  const actual = decodeBase64(contentHash(event))
  return claimed !== undefined && actual !== undefined && Buffer.compare(claimed, actual) === 0
}

/**
 * Check 3 of "Checks performed on receipt of a PDU": where the content hash is wrong only the redacted event is trusted,
 * since that is what the signatures are of.
 */
export function checkHashes(pdu: Pdu): { readonly pdu: Pdu; readonly redacted: boolean } {
  return hasValidContentHash(pdu) ? { pdu, redacted: false } : { pdu: redactPdu(pdu), redacted: true }
}
