/**
 * Identifiers of the specification, branded: parsed once at the edge, trusted inside.
 * Grammar: appendices "Identifier Grammar". This is the only file that casts to a brand.
 */
declare const brand: unique symbol
type Brand<Name extends string> = string & { readonly [brand]: Name }

export type ServerName = Brand<'ServerName'>
export type UserId = Brand<'UserId'>
export type RoomId = Brand<'RoomId'>
export type EventId = Brand<'EventId'>
export type RoomAlias = Brand<'RoomAlias'>
export type DeviceId = Brand<'DeviceId'>

/** Ids, event types and state keys: bytes of UTF-8, not characters. Client-server API "Size limits". */
export const MAX_ID_BYTES = 255

/** Whether a text is within `limit` bytes of UTF-8. Counts only where counting can matter. */
export function fitsBytes(text: string, limit: number): boolean {
  if (text.length > limit) return false
  return text.length * 3 <= limit || Buffer.byteLength(text) <= limit
}

/**
 * A user id as other servers may use it: any localpart without `:` and NUL, the empty one too ("Historical User IDs").
 * Undefined when it is not one. `maxBytes` is for events of old rooms, see `RoomVersion.strictByteLimits`.
 */
export function parseUserId(id: string, maxBytes = MAX_ID_BYTES): UserId | undefined {
  return hasLocalpartAndServer(id, '@', maxBytes) ? (id as UserId) : undefined
}

const LOCALPART = /^[a-z0-9._=/+-]+$/

/** Whether a new account may have this localpart ("User Identifiers"). The length of the whole id is not judged. */
export function isValidLocalpart(localpart: string): boolean {
  return LOCALPART.test(localpart)
}

const COMPLIANT_LOCALPART = /^[\x21-\x39\x3b-\x7e]+$/

/** Whether a user id may be shown to clients outside an event: localpart of visible ASCII, not empty. */
export function isCompliantUserId(id: UserId): boolean {
  return COMPLIANT_LOCALPART.test(localpartOf(id))
}

/** The id of a local user. The localpart must have been judged by `isValidLocalpart` or come from an account. */
export function userIdOf(localpart: string, server: ServerName): UserId {
  return `@${localpart}:${server}` as UserId
}

const HASH_ID = /^[A-Za-z0-9_-]{43}$/

/** A room id in either form: `!opaque:server`, or `!` and the hash of the create event (room version 12). */
export function parseRoomId(id: string, maxBytes = MAX_ID_BYTES): RoomId | undefined {
  if (id.charCodeAt(0) !== 0x21) return undefined
  return HASH_ID.test(id.slice(1)) || hasLocalpartAndServer(id, '!', maxBytes) ? (id as RoomId) : undefined
}

/** The room whose create event this is, in versions where the room id is its hash. */
export function roomIdOfCreateEvent(eventId: EventId): RoomId {
  return `!${eventId.slice(1)}` as RoomId
}

/** The create event of a room whose id is a hash; undefined for a room id with a server name. */
export function createEventIdOf(roomId: RoomId): EventId | undefined {
  return HASH_ID.test(roomId.slice(1)) ? (`$${roomId.slice(1)}` as EventId) : undefined
}

/** The room id of an older room: `!opaque:server`. The localpart has to be alphanumeric. */
export function roomIdOf(opaque: string, server: ServerName): RoomId {
  return `!${opaque}:${server}` as RoomId
}

/** An event id of any room version: opaque behind its `$`, without NUL, at most 255 bytes. */
export function parseEventId(id: string, maxBytes = MAX_ID_BYTES): EventId | undefined {
  const isId = id.charCodeAt(0) === 0x24 && id.length > 1 && !id.includes('\0') && fitsBytes(id, maxBytes)
  return isId ? (id as EventId) : undefined
}

/** `$opaque:server` of room versions 1 and 2, or `$` and a reference hash in base64. */
export function eventIdOf(opaque: string): EventId {
  return `$${opaque}` as EventId
}

export function parseRoomAlias(alias: string): RoomAlias | undefined {
  return alias.length > 1 && hasLocalpartAndServer(alias, '#', MAX_ID_BYTES) ? (alias as RoomAlias) : undefined
}

/** The alias of a local room. Undefined when the localpart is empty, has `:` or NUL, or makes it too long. */
export function roomAliasOf(localpart: string, server: ServerName): RoomAlias | undefined {
  return localpart === '' || localpart.includes(':') ? undefined : parseRoomAlias(`#${localpart}:${server}`)
}

/** A device id: opaque, not empty, at most 255 bytes. */
export function deviceId(id: string): DeviceId | undefined {
  return id !== '' && fitsBytes(id, MAX_ID_BYTES) ? (id as DeviceId) : undefined
}

const OPAQUE_ID = /^[0-9A-Za-z._~-]{1,255}$/

/** "Opaque Identifiers": what the specification asks of ids that only their maker understands. */
export function isOpaqueId(id: string): boolean {
  return OPAQUE_ID.test(id)
}

const NAMESPACED_ID = /^[a-z][a-z0-9_.-]{0,254}$/

/** "Common Namespaced Identifier Grammar": names of profile fields, login types and the like. */
export function isNamespacedId(id: string): boolean {
  return NAMESPACED_ID.test(id)
}

const DNS_NAME = /^[A-Za-z0-9.-]{1,255}$/
const IPV4_LIKE = /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/
const IPV6_CHARACTERS = /^[0-9A-Fa-f:.]{2,45}$/
const PORT = /^[0-9]{1,5}$/

/** A server name: DNS name, IPv4 or bracketed IPv6 address, and perhaps a port ("Server Name"). Case is kept. */
export function parseServerName(name: string): ServerName | undefined {
  const parts = splitServerName(name)
  return parts !== undefined && name.length <= MAX_ID_BYTES ? (name as ServerName) : undefined
}

/** Host and port of a server name; an IPv6 host keeps its brackets. Undefined when it is not a server name. */
export function splitServerName(name: string): { host: string; port: number | undefined } | undefined {
  const hostEnd = name.startsWith('[') ? name.indexOf(']') + 1 : indexOrEnd(name, ':')
  const host = name.slice(0, hostEnd)
  const rest = name.slice(hostEnd)
  if (!isHost(host)) return undefined
  if (rest === '') return { host, port: undefined }
  const port = rest.slice(1)
  if (!rest.startsWith(':') || !PORT.test(port) || Number(port) > 65535) return undefined
  return { host, port: Number(port) }
}

/** Whether the host of a server name is an address instead of a name. */
export function isIpLiteral(host: string): boolean {
  return host.startsWith('[') || IPV4_LIKE.test(host)
}

function isHost(host: string): boolean {
  if (host.startsWith('[')) return host.endsWith(']') && isIpv6(host.slice(1, -1))
  return DNS_NAME.test(host) && (!IPV4_LIKE.test(host) || isIpv4(host))
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255)
}

/** RFC 3513 section 2.2: eight groups of up to four digits, one run of zeros left out, perhaps IPv4 at the end. */
function isIpv6(text: string): boolean {
  if (!IPV6_CHARACTERS.test(text)) return false
  const halves = text.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const tail = groups.at(-1)
  const endsWithIpv4 = tail?.includes('.') === true
  if (endsWithIpv4 && (!isIpv4(tail) || text.endsWith('::'))) return false
  const hexadecimal = endsWithIpv4 ? groups.slice(0, -1) : groups
  if (!hexadecimal.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false
  const count = hexadecimal.length + (endsWithIpv4 ? 2 : 0)
  return halves.length === 2 ? count <= 7 : count === 8
}

/** What stands between the sigil and the first colon. */
export function localpartOf(id: UserId | RoomAlias): string {
  return id.slice(1, id.indexOf(':'))
}

/** The server in an id. Undefined for room and event ids of versions that put none there. */
export function serverNameOf(id: UserId | RoomAlias): ServerName
export function serverNameOf(id: RoomId | EventId): ServerName | undefined
export function serverNameOf(id: UserId | RoomAlias | RoomId | EventId): ServerName | undefined {
  const colon = id.indexOf(':')
  if (colon === -1) return undefined
  const name = id.slice(colon + 1)
  // The grammar of event ids is loose: only what it says of the others has been checked when they were parsed.
  return id.startsWith('$') ? parseServerName(name) : (name as ServerName)
}

function hasLocalpartAndServer(id: string, sigil: string, maxBytes: number): boolean {
  const colon = id.indexOf(':')
  return (
    colon !== -1 &&
    id.startsWith(sigil) &&
    !id.includes('\0') &&
    parseServerName(id.slice(colon + 1)) !== undefined &&
    fitsBytes(id, maxBytes)
  )
}

function indexOrEnd(text: string, part: string): number {
  const index = text.indexOf(part)
  return index === -1 ? text.length : index
}
