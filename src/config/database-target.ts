import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './environment.js'
import type { Config } from './schema.js'

/** The connection string as libpq reads it, with everything that it leaves to the surroundings made explicit. */
export interface DatabaseAddress {
  /** A host name, an address without brackets, or a folder with the server's socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** `sslmode` and the like, handed on as they are. */
  readonly parameters: ReadonlyMap<string, string>
}

export type DatabaseTarget =
  | {
      readonly kind: 'embedded'
      /** Where the embedded PostgreSQL's cluster is, absolute. */
      readonly dataDir: string
      readonly maxConnections: number
      readonly maxLifetimeMs: number
    }
  | {
      readonly kind: 'url'
      /** A complete URL: nothing in it is left to the driver's defaults. */
      readonly connectionString: string
      /** For people and logs: without password and parameters. */
      readonly display: string
      readonly maxConnections: number
      /** 0: for ever. */
      readonly maxLifetimeMs: number
    }

/** The embedded PostgreSQL shares the machine with the server; more connections only cost memory. */
const EMBEDDED_CONNECTIONS = 20

/** `config` has passed the loader, so a connection string in it can be parsed. */
export function databaseTarget(config: Config, env: Environment = process.env): DatabaseTarget {
  const { connection_string, max_open_conns, conn_max_lifetime } = config.global.database
  const maxLifetimeMs = Math.max(0, conn_max_lifetime) * 1_000
  if (connection_string === '') {
    return {
      kind: 'embedded',
      dataDir: join(config.global.data_dir, 'postgres'),
      maxConnections: Math.min(max_open_conns, EMBEDDED_CONNECTIONS),
      maxLifetimeMs,
    }
  }
  const address = parseConnectionString(connection_string, env)
  if (typeof address === 'string') throw new Error(`the database's connection string is ${address}`)
  return {
    kind: 'url',
    connectionString: formatConnectionString(address),
    display: displayAddress(address),
    maxConnections: max_open_conns,
    maxLifetimeMs,
  }
}

/**
 * A URL (`postgresql://`, `postgres://`) or keyword/value pairs. What is missing is PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, and
 * then `localhost`, 5432, the system's user, and a database of the user's name. A text says what is wrong, without secrets.
 */
export function parseConnectionString(given: string, env: Environment): DatabaseAddress | string {
  const trimmed = given.trim()
  if (/^file:/i.test(trimmed)) return 'a file (SQLite)'
  const pairs = /^postgres(ql)?:\/\//i.test(trimmed) ? fromUrl(trimmed) : fromKeywords(trimmed)
  if (typeof pairs === 'string') return pairs
  const take = (key: string, variable: string): string => {
    const value = pairs.get(key)
    pairs.delete(key)
    return value || env[variable] || ''
  }
  const host = take('host', 'PGHOST') || take('hostaddr', 'PGHOSTADDR') || 'localhost'
  const port = Number(take('port', 'PGPORT') || '5432')
  const user = take('user', 'PGUSER') || systemUser()
  const password = take('password', 'PGPASSWORD') || undefined
  const database = take('dbname', 'PGDATABASE') || user
  if (host.includes(',')) return 'one with several hosts'
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    return 'one with a port that is not a number from 1 to 65535'
  return { host, port, user, password, database, parameters: pairs }
}

function formatConnectionString({ host, port, user, password, database, parameters }: DatabaseAddress): string {
  const query = new URLSearchParams([...parameters])
  const socket = host.startsWith('/')
  if (socket) {
    query.set('host', host)
    query.set('port', String(port))
  }
  const login = encodeURIComponent(user) + (password === undefined ? '' : `:${encodeURIComponent(password)}`)
  const server = socket ? '' : `${host.includes(':') ? `[${host}]` : host}:${port}`
  const rest = query.toString()
  return `postgresql://${login}@${server}/${encodeURIComponent(database)}${rest === '' ? '' : `?${rest}`}`
}

function displayAddress({ host, port, user, database }: DatabaseAddress): string {
  return `${database} at ${host}${host.startsWith('/') ? '' : `:${port}`} as ${user}`
}

function fromUrl(url: string): Map<string, string> | string {
  const [beforeQuery = '', query] = splitOnce(url.slice(url.indexOf('://') + 3), '?')
  const [authority = '', path = ''] = splitOnce(beforeQuery, '/')
  const at = authority.lastIndexOf('@')
  const [user = '', password = ''] = splitOnce(at < 0 ? '' : authority.slice(0, at), ':')
  const address = authority.slice(at + 1)
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(address)
  if (parts === null)
    return address.includes(',') ? 'one with several hosts' : 'a URL whose host and port cannot be read'
  const pairs = new Map<string, string>()
  try {
    const [, host = '', port = ''] = parts
    const found: [string, string][] = [
      ['user', user],
      ['password', password],
      ['host', host.replace(/^\[(.*)\]$/, '$1')],
      ['port', port],
      ['dbname', path],
    ]
    for (const [key, value] of found) if (value !== '') pairs.set(key, decodeURIComponent(value))
    for (const [key, value] of new URLSearchParams(query ?? '')) pairs.set(key === 'database' ? 'dbname' : key, value)
  } catch {
    return 'a URL with a "%" that starts no escape (write %25)'
  }
  return pairs
}

function fromKeywords(given: string): Map<string, string> | string {
  const pair = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)+)\s*/gy
  const pairs = new Map<string, string>()
  let end = 0
  for (let match = pair.exec(given); match !== null; match = pair.exec(given)) {
    const value = match[2] ?? ''
    pairs.set(match[1] ?? '', value.replace(/^'(.*)'$/s, '$1').replaceAll(/\\(.)/gs, '$1'))
    end = pair.lastIndex
  }
  return pairs.size > 0 && end === given.length ? pairs : 'neither a URL nor keyword/value pairs'
}

function splitOnce(given: string, at: string): [string, string | undefined] {
  const index = given.indexOf(at)
  return index < 0 ? [given, undefined] : [given.slice(0, index), given.slice(index + 1)]
}

/** A container's user may be missing from passwd. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'postgres'
  }
}
