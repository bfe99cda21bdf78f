import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { createCertificate } from '../../src/commands/certificate.js'
import type { ServerName } from '../../src/protocol/ids.js'
import type { JsonObject } from '../../src/protocol/json.js'
import { type SigningKey, signingKeyOf, signJson } from '../../src/protocol/signing.js'

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  /** The name that was asked for in the handshake; false: none, as for addresses. */
  readonly sni: string | false | null
  readonly body: string
}

export type Play = (request: Received, response: ServerResponse) => void

/** Another homeserver that the test plays, with a certificate for the names it is given. */
export interface EvilServer {
  readonly port: number
  readonly received: Received[]
  /** Answers by path without query; what is not here is answered with 404. */
  readonly plays: Map<string, Play>
  close(): Promise<void>
}

export interface EvilServerOptions {
  /** Names and addresses of its certificate. */
  readonly names: readonly string[]
  readonly port?: number
}

/** `certificate` in PEM: who trusts it trusts the server. */
export async function startEvilServer(
  options: EvilServerOptions,
): Promise<EvilServer & { readonly certificate: string }> {
  const { certificate, key } = await createCertificate({ names: options.names, keySize: 2048, now: new Date() })
  const received: Received[] = []
  const plays = new Map<string, Play>()
  const context = createSecureContext({ cert: certificate, key })
  const server = createServer(
    { cert: certificate, key, SNICallback: (_name, done) => done(null, context) },
    (request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      request.on('error', () => undefined)
      response.on('error', () => undefined)
      request.on('end', () => {
        const { method = '', url = '', headers, socket } = request
        const { servername = null } = socket as TLSSocket & { servername?: string | false }
        const seen: Received = { method, url, headers, sni: servername, body }
        received.push(seen)
        const play = plays.get(url.split('?')[0] ?? '')
        if (play === undefined) sendJson(response, { errcode: 'M_UNRECOGNIZED', error: 'no' }, 404)
        else play(seen, response)
      })
    },
  )
  // A client that does not trust it is no failure of the test's.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  return { certificate, port: (server.address() as AddressInfo).port, received, plays, close: () => closed(server) }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

export function sendJson(
  response: ServerResponse,
  body: object,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** A key that is the same for the same number. */
export function keyNumber(number: number, keyId = `ed25519:k${number}`): SigningKey {
  return signingKeyOf(keyId, new Uint8Array(32).fill(number))
}

export interface KeyResponseOptions {
  readonly validUntil: number
  readonly old?: readonly { readonly key: SigningKey; readonly expired: number }[]
}

/** What a server publishes at `/_matrix/key/v2/server`. */
export function keyResponse(server: string, key: SigningKey, options: KeyResponseOptions): JsonObject {
  const { validUntil, old = [] } = options
  return signJson(
    {
      server_name: server,
      valid_until_ts: validUntil,
      verify_keys: { [key.keyId]: { key: key.publicKey } },
      old_verify_keys: Object.fromEntries(
        old.map(({ key: { keyId, publicKey }, expired }) => [keyId, { key: publicKey, expired_ts: expired }]),
      ),
    },
    server as ServerName,
    key,
  )
}
