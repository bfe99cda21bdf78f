import type { Membership } from '../components/roomserver/index.js'
import type { JsonObject, JsonValue } from '../protocol/json.js'

/** What this server alone decides on; a client that sends back what it was shown must not bring it in again. */
const OWN_KEYS: ReadonlySet<string> = new Set([
  'membership',
  'join_authorised_via_users_server',
  'third_party_invite',
  'third_party_signed',
])

/**
 * Content of a membership event: the profile, over it what the client says for this room, over it what is so. An
 * `undefined` reason is left out.
 */
export function membershipContent(
  membership: Membership,
  parts: { readonly profile?: JsonObject; readonly custom?: JsonObject; readonly reason?: string | undefined },
): JsonObject {
  const content: Record<string, JsonValue> = { ...parts.profile }
  for (const [key, value] of Object.entries(parts.custom ?? {})) if (!OWN_KEYS.has(key)) define(content, key, value)
  if (parts.reason !== undefined) content.reason = parts.reason
  content.membership = membership
  return content
}

/** `__proto__` is a key like any other. */
function define(object: Record<string, JsonValue>, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
