import type { Pdu } from '../event/pdu.js'
import { getArray, getObject, getString, isJsonObject, type JsonObject } from '../json.js'
import { signaturesOf, signedTextOf, type VerifyKey, verifyKeyOf, verifyText } from '../signing.js'
import { membershipOf } from './power-levels.js'
import { ALLOWED, type AuthState, type AuthVerdict, refuse } from './verdict.js'

/**
 * Signatures tried before giving up: 64 kB of event hold hundreds of keys and as many signatures, and each pair takes
 * 0.1 ms. SPEC-DEPARTURE: the text sets no limit. An identity server gives two keys and one signature.
 */
const MAX_TRIALS = 64

/**
 * An invite that makes good a third party invite: the identity server has signed who the invited address belongs to.
 * Rule "`content` has a `third_party_invite` property" of `m.room.member`.
 *
 * @param rule the number of that rule in the event's room version
 */
export function checkThirdPartyInvite(event: Pdu, state: AuthState, target: string, rule: string): AuthVerdict {
  if (membershipOf(target, state) === 'ban') return refuse(`${rule}.1`, 'the target is banned')
  const invite = getObject(event.content, 'third_party_invite')
  const signed = invite && getObject(invite, 'signed')
  if (!signed) return refuse(`${rule}.2`, 'the third party invite is not signed')
  const mxid = getString(signed, 'mxid')
  const token = getString(signed, 'token')
  if (mxid === undefined || token === undefined) return refuse(`${rule}.3`, 'no mxid or token is signed')
  if (mxid !== target) return refuse(`${rule}.4`, 'another user than the target is signed')
  const pending = state.get('m.room.third_party_invite', token)
  if (!pending) return refuse(`${rule}.5`, 'there is no third party invite with this token')
  if (pending.sender !== event.sender) return refuse(`${rule}.6`, 'the third party invite is of another sender')
  if (isSignedByOneOf(signed, publicKeysOf(pending.content))) return ALLOWED
  return refuse(`${rule}.8`, 'no signature is by a key of the third party invite')
}

function publicKeysOf(content: JsonObject): string[] {
  const single = getString(content, 'public_key')
  const listed = (getArray(content, 'public_keys') ?? []).map((entry) =>
    isJsonObject(entry) ? getString(entry, 'public_key') : undefined,
  )
  return [...new Set([single, ...listed])].filter((key) => key !== undefined)
}

function isSignedByOneOf(signed: JsonObject, publicKeys: readonly string[]): boolean {
  const text = textOf(signed)
  if (text === undefined) return false
  const signatures = Object.keys(getObject(signed, 'signatures') ?? {}).flatMap((signer) => [
    ...signaturesOf(signed, signer).values(),
  ])
  if (signatures.length === 0) return false
  let trials = 0
  for (const key of verifyKeys(publicKeys)) {
    for (const signature of signatures) {
      if (++trials > MAX_TRIALS) return false
      if (verifyText(text, signature, key)) return true
    }
  }
  return false
}

/** Undefined for what has no canonical form, which nobody can have signed. */
function textOf(signed: JsonObject): string | undefined {
  try {
    return signedTextOf(signed)
  } catch {
    return undefined
  }
}

function* verifyKeys(publicKeys: readonly string[]): Generator<VerifyKey> {
  for (const publicKey of publicKeys) {
    const key = verifyKeyOf(publicKey)
    if (key) yield key
  }
}
