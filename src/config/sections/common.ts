import { isIP } from 'node:net'
import { integer, section, text } from '../fields.js'

export const NO_POOL = 'idle connections are closed by age'

/** `postgresql://...`, or keyword/value pairs as libpq reads them; SQLite's `file:` is refused with a text of its own. */
export function database(doc: string, hidden = false) {
  return section(
    doc,
    {
      connection_string: text(
        '',
        'A PostgreSQL address: postgresql://user:password@host:5432/database?sslmode=disable',
        {
          secret: true,
        },
      ),
      max_open_conns: integer(90, 'At most this many connections are open.', { min: 1, max: 10_000 }),
      max_idle_conns: integer(2, 'Connections kept open without use.', { unused: NO_POOL, min: -1 }),
      conn_max_lifetime: integer(-1, 'A connection is replaced after this many seconds; -1: never.', { min: -1 }),
    },
    { hidden },
  )
}

/** What Dendrite lets every component have; here all of them have to name the same database. */
export const componentDatabase = () => database('Dendrite lets a component have a database of its own.', true)

export function isNetwork(given: string): boolean {
  const [address = '', prefix, more] = given.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}

export const network = () =>
  text('', 'An IP address or a network.', {
    allowed: 'an address or network such as 10.0.0.0/8 or fd00::/8',
    accepts: isNetwork,
  })

export function isHttpUrl(given: string): boolean {
  return /^https?:\/\/[^/]/i.test(given) && URL.canParse(given)
}

export function isBase64Of32Bytes(given: string): boolean {
  return /^[A-Za-z0-9+/]{43}=?$/.test(given)
}
