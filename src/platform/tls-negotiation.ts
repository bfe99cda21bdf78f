import pg from 'pg'
import { normaliseConnectionString } from './connection-string.js'

/**
 * Decides once what a connection string leaves open: `sslmode` absent, `allow` or `prefer` means TLS where the server has
 * it (Dendrite's driver insisted on it, ours would do without). The result names its mode; a string that does is only normalised.
 * Never throws for a server that does not answer: whoever connects next says so better.
 */
export async function settleConnectionString(given: string): Promise<string> {
  const normal = normaliseConnectionString(given)
  const mode = /[?&]sslmode=([a-z-]+)/.exec(normal)?.[1]
  if (mode !== undefined && mode !== 'prefer' && mode !== 'allow') return normal
  const open = withoutMode(normal)
  if (isLocal(open)) return withMode(open, 'disable')
  const client = new pg.Client({ connectionString: withMode(open, 'require'), connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    if (error instanceof Error && error.message.includes('does not support SSL')) return withMode(open, 'disable')
  } finally {
    void client.end().catch(() => undefined)
  }
  return withMode(open, 'require')
}

function withoutMode(connectionString: string): string {
  return connectionString.replace(/([?&])sslmode=[a-z-]*&?/, '$1').replace(/[?&]$/, '')
}

function withMode(connectionString: string, mode: string): string {
  const [address = '', query = ''] = connectionString.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.set('sslmode', mode)
  parameters.set('uselibpqcompat', 'true')
  return `${address}?${parameters.toString()}`
}

function isLocal(connectionString: string): boolean {
  return /@(localhost|127\.[\d.]+|\[::1\])?(:\d+)?\//.test(connectionString)
}
