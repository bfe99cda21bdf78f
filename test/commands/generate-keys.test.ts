import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, createSecureContext, createServer } from 'node:tls'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { generateKeysCommand } from '../../src/commands/generate-keys.js'
import { newSigningKey } from '../../src/config/key-file.js'
import { newFolder, run } from '../config/support.js'

/** An authority with an elliptic key, as other tools make them. */
async function newAuthority(): Promise<{ certificate: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=authority.example.com',
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    },
    webcrypto,
  )
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { certificate: certificate.toString('pem'), key: PemConverter.encode(der, 'PRIVATE KEY') }
}

/** A client that believes only `authority` connects to b.example.com. */
async function handshake(cert: Buffer, key: Buffer, authority: string): Promise<void> {
  const server = createServer({ cert, key }, (socket) => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', servername: 'b.example.com', ca: authority })
  await once(client, 'secureConnect')
  client.destroy()
  server.close()
}

const mode = (path: string): number => statSync(path).mode & 0o777
const SMALL = '-keysize=2048'

describe('generate-keys -private-key', () => {
  it('writes a key in the form of Dendrite, readable for its owner only', async () => {
    const cwd = newFolder()
    const { code, stdout } = await run(generateKeysCommand, ['--private-key', 'keys/matrix_key.pem'], cwd)
    const path = join(cwd, 'keys/matrix_key.pem')
    expect(code).toBe(0)
    expect(stdout).toContain(path)
    expect(mode(path)).toBe(0o600)
    const text = readFileSync(path, 'utf8')
    const match =
      /^-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: (ed25519:\w{6})\n\n(.+)\n-----END MATRIX PRIVATE KEY-----\n$/.exec(
        text,
      )
    expect(match?.[1]).toMatch(/^ed25519:[a-zA-Z0-9_]+$/)
    expect(Buffer.from(match?.[2] ?? '', 'base64')).toHaveLength(32)
    expect(stdout).not.toContain(match?.[2])
  })

  it('SECURITY 40: a thousand keys are a thousand different ones', () => {
    const pems = Array.from({ length: 1_000 }, () => newSigningKey())
    expect(new Set(pems.map(({ pem }) => pem.split('\n')[3])).size).toBe(1_000)
    expect(new Set(pems.map(({ keyId }) => keyId)).size).toBeGreaterThan(990)
  })

  it('F60: never replaces a key that is there, and then makes nothing at all', async () => {
    const cwd = newFolder()
    writeFileSync(join(cwd, 'key.pem'), 'precious')
    const argv = ['-private-key', 'key.pem', '-tls-cert', 'a.crt', '-tls-key', 'a.key', SMALL]
    const { code, stderr } = await run(generateKeysCommand, argv, cwd)
    expect(code).toBe(1)
    expect(stderr).toContain('already there')
    expect(readFileSync(join(cwd, 'key.pem'), 'utf8')).toBe('precious')
    expect(existsSync(join(cwd, 'a.crt')) || existsSync(join(cwd, 'a.key'))).toBe(false)
  })
})

describe('generate-keys -tls-cert -tls-key', () => {
  async function make(cwd: string, ...more: string[]) {
    const result = await run(
      generateKeysCommand,
      ['--tls-cert', 'server.crt', '--tls-key', 'server.key', SMALL, ...more],
      cwd,
    )
    expect(result).toMatchObject({ code: 0, stderr: '' })
    const [certificate, key] = ['server.crt', 'server.key'].map((name) => readFileSync(join(cwd, name), 'utf8'))
    return { certificate: certificate ?? '', key: key ?? '', parsed: new X509Certificate(certificate ?? '') }
  }

  it('makes a certificate for this machine that signs itself and that TLS accepts', async () => {
    const cwd = newFolder()
    const { certificate, key, parsed } = await make(cwd)
    expect(parsed.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    expect(parsed.verify(parsed.publicKey)).toBe(true)
    expect(parsed.ca).toBe(false)
    expect(Date.parse(parsed.validFrom)).toBeLessThan(Date.now())
    expect(Date.parse(parsed.validTo)).toBeGreaterThan(Date.now() + 300 * 86_400_000)
    expect(mode(join(cwd, 'server.key'))).toBe(0o600)
    createSecureContext({ cert: certificate, key })
  })

  it('names the server of -server, without its port', async () => {
    const { parsed } = await make(newFolder(), '-server', 'matrix.example.com:8448')
    expect(parsed.subject).toBe('CN=matrix.example.com')
    expect(parsed.checkHost('matrix.example.com')).toBe('matrix.example.com')
  })

  it('has it signed by an authority', async () => {
    const cwd = newFolder()
    const authority = await newAuthority()
    writeFileSync(join(cwd, 'ca.crt'), authority.certificate)
    writeFileSync(join(cwd, 'ca.key'), authority.key)
    const argv = [
      '-tls-cert=b.crt',
      '-tls-key=b.key',
      '-tls-authority-cert=ca.crt',
      '-tls-authority-key=ca.key',
      '-server=b.example.com',
      SMALL,
    ]
    expect(await run(generateKeysCommand, argv, cwd)).toMatchObject({ code: 0 })
    const signed = new X509Certificate(readFileSync(join(cwd, 'b.crt')))
    expect(signed.issuer).toBe('CN=authority.example.com')
    expect(signed.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
    expect(signed.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
    await handshake(readFileSync(join(cwd, 'b.crt')), readFileSync(join(cwd, 'b.key')), authority.certificate)
  })

  it('refuses an authority whose key does not fit, and what is incomplete', async () => {
    const cwd = newFolder()
    await make(cwd)
    const other = newFolder()
    const { key } = await make(other)
    writeFileSync(join(cwd, 'other.key'), key)
    const wrong = [
      '-tls-cert=b.crt',
      '-tls-key=b.key',
      '-tls-authority-cert=server.crt',
      '-tls-authority-key=other.key',
      SMALL,
    ]
    expect(await run(generateKeysCommand, wrong, cwd)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not the one'),
    })
    for (const argv of [
      [],
      ['-tls-cert=c'],
      ['-tls-key=c'],
      ['-tls-cert=c', '-tls-key=c'],
      ['-private-key=k', '-tls-authority-cert=c'],
    ]) {
      expect((await run(generateKeysCommand, argv, cwd)).code).toBe(1)
    }
    expect(existsSync(join(cwd, 'b.crt')) || existsSync(join(cwd, 'k'))).toBe(false)
  })
})
