import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Environment } from '../config/environment.js'
import { CommandFailed } from './command.js'

/** One address to listen on. */
export type Listener = { readonly display: string } & (
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: { cert: string; key: string } }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
)

export interface Listeners {
  readonly all: readonly Listener[]
  /** Bind addresses as given (`:8008`), to recognise a proxy setting that names this server itself. */
  readonly tcp: readonly { readonly text: string }[]
  /** Where commands on this machine reach the server. */
  readonly commandAddress: string
  /** What a person types into a client on this machine. */
  readonly clientAddress: string
}

interface ListenerFlags {
  readonly 'http-bind-address': string
  readonly 'https-bind-address': string
  readonly 'tls-cert': string
  readonly 'tls-key': string
  readonly 'unix-socket': string
  readonly 'unix-socket-permission': string
}

/** @throws CommandFailed naming the flag */
export function parseListeners(
  flags: ListenerFlags,
  given: ReadonlySet<string>,
  env: Environment,
  cwd: string,
): Listeners {
  const tls = readTls(flags, cwd)
  if (flags['unix-socket'] !== '') return unixOnly(flags, cwd)
  const fromEnv = env.NEURITE_HTTP_BIND_ADDRESS
  const httpText = given.has('http-bind-address') || !fromEnv ? flags['http-bind-address'] : fromEnv
  const http = parseAddress(httpText, '-http-bind-address')
  const all: Listener[] = [{ kind: 'tcp', ...http, display: `http://${show(http)}` }]
  const tcp = [{ text: httpText }]
  if (tls !== undefined) {
    const text = flags['https-bind-address']
    const https = parseAddress(text, '-https-bind-address')
    all.push({ kind: 'tcp', ...https, tls, display: `https://${show(https)}` })
    tcp.push({ text })
  }
  const local = `http://${isAnywhere(http.host) ? 'localhost' : bracketed(http.host)}:${http.port}`
  return { all, tcp, commandAddress: local, clientAddress: local }
}

function unixOnly(flags: ListenerFlags, cwd: string): Listeners {
  const path = resolve(cwd, flags['unix-socket'])
  const mode = Number.parseInt(flags['unix-socket-permission'], 8)
  if (!/^[0-7]{3,4}$/.test(flags['unix-socket-permission'])) {
    throw new CommandFailed(
      `-unix-socket-permission: ${flags['unix-socket-permission']} is not an octal mode such as 755`,
    )
  }
  const display = `unix:${path}`
  return {
    all: [{ kind: 'unix', path, mode, display }],
    tcp: [],
    commandAddress: display,
    clientAddress: display,
  }
}

function readTls(flags: ListenerFlags, cwd: string): { cert: string; key: string } | undefined {
  const { 'tls-cert': cert, 'tls-key': key } = flags
  if (cert === '' && key === '') return undefined
  if (cert === '' || key === '') throw new CommandFailed('-tls-cert and -tls-key go together: give both, or neither')
  const tls = { cert: readPem(resolve(cwd, cert), '-tls-cert'), key: readPem(resolve(cwd, key), '-tls-key') }
  try {
    createSecureContext(tls)
  } catch (error) {
    throw new CommandFailed(
      `-tls-cert and -tls-key: ${cert} and ${key} are no certificate and its private key (${error instanceof Error ? error.message : String(error)})`,
    )
  }
  return tls
}

function readPem(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandFailed(
      `${flag}: ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`,
    )
  }
}

/** Go's form: `:8008`, `127.0.0.1:8008`, `[::1]:8008`, `localhost:8008`. */
function parseAddress(text: string, flag: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new CommandFailed(`${flag}: ${text} is not an address such as :8008, 127.0.0.1:8008 or [::1]:8008`)
  }
  return { host: match[1] ?? match[2] ?? '', port }
}

function isAnywhere(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::'
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function show({ host, port }: { host: string; port: number }): string {
  return isAnywhere(host) ? `*:${port}` : `${bracketed(host)}:${port}`
}
