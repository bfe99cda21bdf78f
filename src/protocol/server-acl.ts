import { compileGlob, type Glob } from './glob.js'
import { isIpLiteral, type ServerName, splitServerName } from './ids.js'
import { getArray, getBoolean, type JsonObject } from './json.js'

/** Which servers may take part in a room. Never part of the auth rules. */
export interface ServerAcl {
  allows(server: ServerName): boolean
}

const OPEN: ServerAcl = { allows: () => true }

/**
 * Prepares the content of a room's `m.room.server_acl` for many questions; undefined content, no such event: all may.
 * Ports do not count, case does not matter. No `allow` allows nobody. Client-server API "Server Access Control Lists".
 */
export function compileServerAcl(content: JsonObject | undefined): ServerAcl {
  if (content === undefined) return OPEN
  const allow = globs(content, 'allow')
  const deny = globs(content, 'deny')
  const allowIpLiterals = getBoolean(content, 'allow_ip_literals') ?? true
  return {
    allows(server) {
      const host = splitServerName(server)?.host.toLowerCase()
      if (host === undefined) return false
      if (!allowIpLiterals && isIpLiteral(host)) return false
      return !deny.some((glob) => glob.matches(host)) && allow.some((glob) => glob.matches(host))
    },
  }
}

function globs(content: JsonObject, key: string): Glob[] {
  const entries = getArray(content, key) ?? []
  return entries.filter((entry) => typeof entry === 'string').map((entry) => compileGlob(entry.toLowerCase()))
}
