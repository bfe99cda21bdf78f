import { parseServerName, type ServerName } from './ids.js'
import { quote } from './json.js'
import { type SigningKey, signText } from './signing.js'

/** Server-server API "Request Authentication": the `X-Matrix` scheme of the Authorization header. */

/** What a header claims. */
export interface XMatrixCredentials {
  readonly origin: ServerName
  /** Absent in requests of old servers. Anything but our own name is to be refused with 401. */
  readonly destination: ServerName | undefined
  readonly keyId: string
  /** Base64. */
  readonly signature: string
}

/** The parts of a request that are signed. */
export interface SignedRequest {
  readonly method: string
  /** Path and query exactly as they are sent: `/_matrix/...?a=b`. */
  readonly uri: string
  readonly origin: ServerName
  readonly destination: ServerName
  /** Canonical JSON of the body; absent when there is none. */
  readonly content?: string
}

/** The text that is signed: canonical JSON of the request. */
export function signedRequestText({ method, uri, origin, destination, content }: SignedRequest): string {
  const body = content === undefined ? '' : `"content":${content},`
  return `{${body}"destination":${quote(destination)},"method":${quote(method)},"origin":${quote(origin)},"uri":${quote(uri)}}`
}

/** Value of the Authorization header for a request of ours. */
export function xMatrixHeader(request: SignedRequest, key: SigningKey): string {
  const { origin, destination } = request
  const signature = signText(signedRequestText(request), key)
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key.keyId}",sig="${signature}"`
}

/**
 * Reads an Authorization header. Undefined when it is of another scheme or malformed, or does not have all that it needs.
 *
 * The specification's prose calls the last parameter `signature`, its examples and all servers `sig`: both are taken.
 * Values may be quoted or not, in any order; unquoted ones may have colons, as old servers send them.
 */
export function parseXMatrix(header: string): XMatrixCredentials | undefined {
  const scheme = /^X-Matrix +/i.exec(header)
  const parameters = scheme === null ? undefined : parseParameters(header.slice(scheme[0].length))
  const origin = parseServerName(parameters?.get('origin') ?? '')
  const keyId = parameters?.get('key')
  const signature = parameters?.get('sig') ?? parameters?.get('signature')
  const named = parameters?.get('destination')
  const destination = named === undefined ? undefined : parseServerName(named)
  if (origin === undefined || keyId === undefined || signature === undefined) return undefined
  if (named !== undefined && destination === undefined) return undefined
  return { origin, destination, keyId, signature }
}

const NAME = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y
// RFC 9110 `token`, and what appears unquoted in headers of old servers: colons, brackets of IPv6, base64.
const UNQUOTED = /[A-Za-z0-9!#$%&'*+.^_`|~:/=[\]-]+/y
const QUOTED = /"(?:[^"\\]|\\.)*"/y
const SEPARATOR = /[ \t]*(?:,[ \t]*)+/y

/** Undefined when it is not a list of parameters, or has one twice. */
function parseParameters(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>()
  const input = text.trimEnd()
  let at = 0
  const take = (token: RegExp): string | undefined => {
    token.lastIndex = at
    const found = token.exec(input)?.[0]
    at += found?.length ?? 0
    return found
  }
  while (at < input.length) {
    const name = take(NAME)?.toLowerCase()
    if (name === undefined || input[at] !== '=' || parameters.has(name)) return undefined
    at++
    const quoted = take(QUOTED)
    const value = quoted === undefined ? take(UNQUOTED) : quoted.slice(1, -1).replace(/\\(.)/g, '$1')
    if (value === undefined) return undefined
    parameters.set(name, value)
    if (at < input.length && take(SEPARATOR) === undefined) return undefined
  }
  return parameters
}
