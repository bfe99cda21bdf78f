import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerName } from '../../../src/protocol/ids.js'
import { parseJsonObject } from '../../../src/protocol/json.js'
import { keyPemOf, verifyJson, verifyKeyOf } from '../../../src/protocol/signing.js'
import { keyNumber } from '../../support/evil-server.js'
import { startTestServer, TEST_SERVER_NAME, type TestServer } from '../../support/server.js'

const FILE_KEY = keyNumber(5, 'ed25519:file')
const LISTED_KEY = keyNumber(6, 'ed25519:listed')
const HOUR_MS = 3_600_000

let folder: string
let server: TestServer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neurite-keys-'))
  const file = join(folder, 'old.pem')
  await writeFile(file, keyPemOf(FILE_KEY))
  server = await startTestServer({
    yaml: `
version: 2
global:
  server_name: ${TEST_SERVER_NAME}
  key_validity_period: 48h
  old_private_keys:
    - { private_key: ${file}, expired_at: 1500000000000 }
    - { public_key: "${LISTED_KEY.publicKey}", key_id: "${LISTED_KEY.keyId}", expired_at: 1600000000000 }
client_api: { registration_disabled: false, rate_limiting: { enabled: false } }
`,
  })
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true })
})

describe('what other servers may read without a signature', () => {
  it('our keys, signed by ourselves, with those we used to have', async () => {
    const { status, body } = await server.request('GET', '/_matrix/key/v2/server')
    expect(status).toBe(200)
    expect(body.server_name).toBe(TEST_SERVER_NAME)
    expect(Object.keys(body.verify_keys)).toEqual(['ed25519:test'])
    expect(body.old_verify_keys).toEqual({
      [FILE_KEY.keyId]: { key: FILE_KEY.publicKey, expired_ts: 1_500_000_000_000 },
      [LISTED_KEY.keyId]: { key: LISTED_KEY.publicKey, expired_ts: 1_600_000_000_000 },
    })
    const ahead = body.valid_until_ts - Date.now()
    expect(ahead > 47 * HOUR_MS && ahead <= 48 * HOUR_MS).toBe(true)
    const key = verifyKeyOf(body.verify_keys['ed25519:test'].key)
    const object = parseJsonObject(JSON.stringify(body))
    expect(key && verifyJson(object, TEST_SERVER_NAME as ServerName, 'ed25519:test', key)).toBe(true)
  })

  it('our keys through the notary endpoints, by GET and POST', async () => {
    const own = { server_keys: [{ server_name: TEST_SERVER_NAME }] }
    expect((await server.request('GET', `/_matrix/key/v2/query/${TEST_SERVER_NAME}`)).body).toMatchObject(own)
    const asked = { server_keys: { [TEST_SERVER_NAME]: {} } }
    expect((await server.request('POST', '/_matrix/key/v2/query', asked)).body).toMatchObject(own)
    expect((await server.request('POST', '/_matrix/key/v2/query', { server_keys: {} })).body).toEqual({
      server_keys: [],
    })
  })

  it('nothing of servers that are in denied networks', async () => {
    const { status, body } = await server.request('GET', '/_matrix/key/v2/query/127.0.0.1:1')
    expect([status, body]).toEqual([200, { server_keys: [] }])
  })

  it.each<[unknown, number, string]>([
    [{}, 400, 'M_BAD_JSON'],
    [{ server_keys: [] }, 400, 'M_BAD_JSON'],
    [{ server_keys: { 'a.example': 5 } }, 400, 'M_BAD_JSON'],
    [
      { server_keys: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`s${at}.example`, {}])) },
      400,
      'M_INVALID_PARAM',
    ],
    ['{', 400, 'M_NOT_JSON'],
  ])('a key query %# that is malformed is refused', async (asked, status, errcode) => {
    const answer = await server.request('POST', '/_matrix/key/v2/query', asked)
    expect([answer.status, answer.body.errcode]).toEqual([status, errcode])
  })

  it('a name that no server can have', async () => {
    const answer = await server.request('GET', '/_matrix/key/v2/query/not%20a%20server')
    expect([answer.status, answer.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    const times = await server.request('GET', `/_matrix/key/v2/query/${TEST_SERVER_NAME}?minimum_valid_until_ts=soon`)
    expect([times.status, times.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
  })

  it('what runs here', async () => {
    const { body } = await server.request('GET', '/_matrix/federation/v1/version')
    expect(body.server.name).toBe('Neurite')
  })
})

it('with federation disabled there are no such paths', async () => {
  const closed = await startTestServer({
    yaml: `{ version: 2, global: { server_name: ${TEST_SERVER_NAME}, disable_federation: true } }`,
  })
  for (const path of [
    '/_matrix/key/v2/server',
    `/_matrix/key/v2/query/${TEST_SERVER_NAME}`,
    '/_matrix/federation/v1/version',
  ]) {
    const { status, body } = await closed.request('GET', path)
    expect([status, body.errcode]).toEqual([404, 'M_UNRECOGNIZED'])
  }
  expect(closed.app.components.federationclient.enabled).toBe(false)
  await closed.stop()
})
