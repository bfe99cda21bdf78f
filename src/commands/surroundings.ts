import { readFileSync } from 'node:fs'
import type { Surroundings } from '../components/federationclient/index.js'
import type { Environment } from '../config/environment.js'
import { CommandFailed } from './command.js'

/** Where systems keep the authorities that their administrator trusts; where there is none, Node's own list counts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** What the machine says of the way to other servers. @throws CommandFailed for SSL_CERT_FILE or HTTPS_PROXY that cannot be used */
export function surroundingsOf(env: Environment): Surroundings {
  const proxy = proxyOf(env.HTTPS_PROXY || env.https_proxy)
  const bundle = certificates(env.SSL_CERT_FILE)
  return {
    ...(bundle === undefined ? {} : { certificateAuthorities: [bundle] }),
    ...(proxy === undefined ? {} : { proxy }),
  }
}

function certificates(named: string | undefined): string | undefined {
  if (named === undefined || named === '') return SYSTEM_BUNDLES.map(readIfThere).find((text) => text !== undefined)
  const text = readIfThere(named)
  if (text === undefined) throw new CommandFailed(`SSL_CERT_FILE: ${named} cannot be read`)
  return text
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function proxyOf(text: string | undefined): Surroundings['proxy'] {
  if (text === undefined || text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const protocol = url?.protocol === 'http:' ? 'http' : url?.protocol === 'https:' ? 'https' : undefined
  if (url === undefined || protocol === undefined)
    throw new CommandFailed('HTTPS_PROXY: a URL such as http://proxy:3128 is expected')
  const port = url.port === '' ? (protocol === 'http' ? 80 : 443) : Number(url.port)
  const credentials = [url.username, url.password].map(decodeURIComponent).join(':')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { protocol, host, port, ...(url.username === '' ? {} : { credentials }) }
}
