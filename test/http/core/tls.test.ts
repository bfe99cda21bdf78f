import 'reflect-metadata'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import * as x509 from '@peculiar/x509'
import { expect, it } from 'vitest'
import { route } from '../../../src/http/route.js'
import { startTestHttp } from '../../support/http.js'

async function selfSigned(): Promise<{ cert: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    signingAlgorithm: algorithm,
  })
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { cert: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
}

it('serves HTTPS beside HTTP, and a handshake that never comes does not hold up closing', async () => {
  const plain = route({ method: 'GET', path: '/plain', auth: 'none', handler: async () => ({ ok: true }) })
  const test = await startTestHttp([plain])
  const bound = await test.http.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, tls: await selfSigned() })
  const port = 'port' in bound ? bound.port : 0
  const status = await new Promise((resolve, reject) => {
    httpsRequest({ port, host: '127.0.0.1', path: '/plain', rejectUnauthorized: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(200)
  const silent = connect(port, '127.0.0.1')
  await new Promise((resolve) => silent.once('connect', resolve))
  const since = performance.now()
  await test.http.close(300)
  expect(performance.now() - since).toBeLessThan(2_000)
  silent.destroy()
})
