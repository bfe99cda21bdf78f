import { userInfo } from 'node:os'

/**
 * Puts a connection string into the form the driver reads as libpq would: `sslmode` with libpq's meanings, the name of
 * the system's user where none stands, keyword/value pairs (`host=db user=u`) as well as URLs, an empty host (`postgresql://u:p@/db`).
 */
export function normaliseConnectionString(given: string): string {
  const text = given.trim()
  if (text.startsWith('/') || !/^postgres(ql)?:\/\//i.test(text)) return fromKeywords(text)
  const separator = text.indexOf('://') + 3
  const [beforeQuery = '', query = ''] = splitOnce(text.slice(separator), '?')
  const [authority = '', path = ''] = splitOnce(beforeQuery, '/')
  const at = authority.lastIndexOf('@')
  const credentials = at < 0 ? '' : authority.slice(0, at)
  const host = authority.slice(at + 1)
  const parameters = new URLSearchParams(query)
  if (credentials === '' && !parameters.has('user')) parameters.set('user', systemUser())
  if (parameters.has('sslmode') && !parameters.has('uselibpqcompat')) parameters.set('uselibpqcompat', 'true')
  const user = credentials === '' ? (parameters.get('user') ?? '') : undefined
  if (user !== undefined) parameters.delete('user')
  const login = user === undefined ? credentials : encodeURIComponent(user)
  const database = path === '' ? encodeURIComponent(decodeURIComponent(login.split(':')[0] ?? '')) : path
  const rest = parameters.toString()
  const socketInQuery = parameters.has('host')
  return `postgresql://${login}@${host === '' && !socketInQuery ? 'localhost' : host}/${database}${rest === '' ? '' : `?${rest}`}`
}

/** The same without the password, for texts that people and logs see. */
export function withoutPassword(connectionString: string): string {
  return connectionString
    .replace(/(:\/\/[^:@/]*):[^@]*@/, '$1:***@')
    .replace(/password=('[^']*'|\S+)/gi, 'password=***')
}

const KEYWORD = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']+)/giy

function fromKeywords(text: string): string {
  const parameters = new URLSearchParams()
  KEYWORD.lastIndex = 0
  let end = 0
  for (let match = KEYWORD.exec(text); match !== null; match = KEYWORD.exec(text)) {
    const [, key = '', raw = ''] = match
    const value = raw.startsWith("'") ? raw.slice(1, -1).replaceAll(/\\(.)/g, '$1') : raw
    parameters.set(key.toLowerCase(), value)
    end = KEYWORD.lastIndex
  }
  if (text.slice(end).trim() !== '' || parameters.size === 0) {
    throw new Error(`not a PostgreSQL connection string: ${withoutPassword(text)}`)
  }
  const take = (key: string): string => {
    const value = parameters.get(key) ?? ''
    parameters.delete(key)
    return value
  }
  const user = take('user') || systemUser()
  const password = take('password')
  const database = take('dbname')
  const port = take('port')
  const host = take('host') || take('hostaddr')
  const login = `${encodeURIComponent(user)}${password === '' ? '' : `:${encodeURIComponent(password)}`}`
  // A socket directory cannot stand in a URL's authority.
  const socket = host.startsWith('/')
  if (socket) parameters.set('host', host)
  const address = socket ? '' : `${host.includes(':') ? `[${host}]` : host}${port === '' ? '' : `:${port}`}`
  if (socket && port !== '') parameters.set('port', port)
  return normaliseConnectionString(
    `postgresql://${login}@${address}/${encodeURIComponent(database || user)}?${parameters.toString()}`,
  )
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)]
}

/** A container's user may be missing from passwd. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'postgres'
  }
}
