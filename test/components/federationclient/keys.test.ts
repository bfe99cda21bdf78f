import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type {
  FederationClient,
  SignatureUse,
  SignatureVerdict,
} from '../../../src/components/federationclient/index.js'
import type { ServerName } from '../../../src/protocol/ids.js'
import { getObject, type JsonObject } from '../../../src/protocol/json.js'
import { type SigningKey, signJson, signText, verifyJson, verifyKeyOf } from '../../../src/protocol/signing.js'
import { keyNumber, keyResponse, sendJson } from '../../support/evil-server.js'
import { createWorld, OWN_KEY, OWN_NAME, type World } from './support.js'

const SERVER_PATH = '/_matrix/key/v2/server'
const QUERY_PATH = '/_matrix/key/v2/query'
const DAY_MS = 86_400_000
const KEY = keyNumber(1)
const OTHER_KEY = keyNumber(2)
const NOTARY_KEY = keyNumber(3)

let world: World
let server: ServerName
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())
beforeEach(() => {
  world.remote.received.length = 0
  world.remote.plays.clear()
  // A server of its own for each test: the host is the same, the name is not.
  const name = `${randomUUID()}.example`
  world.dns.records.set(name, { addresses: ['127.0.0.1'] })
  server = `${name}:${world.remote.port}` as ServerName
})

const LAX = 'disable_tls_validation: true, deny_networks: []'
const newClient = (more = '') => world.client(`federation_api: { ${LAX}${more} }`)
const withNotary = (more = '') =>
  newClient(
    `${more}, key_perspectives: [{ server_name: "notary.example:${world.remote.port}", keys: [{ key_id: "${NOTARY_KEY.keyId}", public_key: "${NOTARY_KEY.publicKey}" }] }]`,
  )

const REQUEST: SignatureUse = { kind: 'request' }
const eventAt = (at: number | undefined): SignatureUse => ({ kind: 'event', at })

async function verdict(
  client: FederationClient,
  use: SignatureUse,
  key: SigningKey = KEY,
): Promise<SignatureVerdict | undefined> {
  const signatures = new Map([[key.keyId, signText('text', key)]])
  return (await client.keys.verify([{ server, text: 'text', signatures, use }]))[0]
}

function publish(object: JsonObject): void {
  world.remote.plays.set(SERVER_PATH, (_request, response) => sendJson(response, object))
}

function publishKey(
  key = KEY,
  validUntil = world.clock.now() + DAY_MS,
  old: { key: SigningKey; expired: number }[] = [],
): void {
  publish(keyResponse(server, key, { validUntil, old }))
}

function vouch(object: JsonObject, key = NOTARY_KEY): void {
  const signed = signJson(object, `notary.example:${world.remote.port}` as ServerName, key)
  world.remote.plays.set(QUERY_PATH, (_request, response) => sendJson(response, { server_keys: [signed] }))
}

const fetches = (path: string) => world.remote.received.filter(({ url }) => url === path).length

describe('key ring', () => {
  it('fetches a key once, however many ask, and knows it after a restart', async () => {
    publishKey()
    const client = newClient()
    const verdicts = await Promise.all(Array.from({ length: 5 }, () => verdict(client, REQUEST)))
    expect([new Set(verdicts), fetches(SERVER_PATH)]).toEqual([new Set(['valid']), 1])
    world.remote.plays.clear()
    expect(await verdict(newClient(), REQUEST)).toBe('valid')
    expect(fetches(SERVER_PATH)).toBe(1)
  })

  it('tells a wrong signature, a missing one and an unknown key apart', async () => {
    publishKey()
    const client = newClient()
    const signatures = new Map([[KEY.keyId, signText('another text', KEY)]])
    expect(await client.keys.verify([{ server, text: 'text', signatures, use: REQUEST }])).toEqual(['invalid'])
    expect(await client.keys.verify([{ server, text: 'text', signatures: new Map(), use: REQUEST }])).toEqual([
      'unsigned',
    ])
    expect(await verdict(client, REQUEST, OTHER_KEY)).toBe('unknown-key')
  })

  it('a key in old_verify_keys is good for events of its time and for no request', async () => {
    const now = world.clock.now()
    publishKey(OTHER_KEY, now + DAY_MS, [{ key: KEY, expired: now - DAY_MS }])
    const client = newClient()
    expect(await verdict(client, REQUEST)).toBe('invalid')
    expect(await verdict(client, eventAt(now - DAY_MS))).toBe('valid')
    expect(await verdict(client, eventAt(now - DAY_MS + 1))).toBe('invalid')
    expect(await verdict(client, eventAt(undefined))).toBe('valid')
    expect(await verdict(client, REQUEST, OTHER_KEY)).toBe('valid')
  })

  it('a key is believed for seven days at most, and asked for again when its time is over', async () => {
    const now = world.clock.now()
    publishKey(KEY, now + 365 * DAY_MS)
    const client = newClient()
    expect(await verdict(client, eventAt(now + 7 * DAY_MS))).toBe('valid')
    expect(await verdict(client, eventAt(now + 8 * DAY_MS))).toBe('invalid')
    expect(fetches(SERVER_PATH)).toBe(1)
    world.clock.advance(8 * DAY_MS)
    expect(await verdict(client, REQUEST)).toBe('valid')
    expect(fetches(SERVER_PATH)).toBe(2)
  })

  it('a key whose time is over is no good while its server is silent, except for what it signed before', async () => {
    const before = world.clock.now()
    publishKey()
    const client = newClient()
    expect(await verdict(client, REQUEST)).toBe('valid')
    world.remote.plays.clear()
    world.clock.advance(2 * DAY_MS)
    expect(await verdict(client, REQUEST)).toBe('unknown-key')
    expect(await verdict(client, eventAt(before))).toBe('valid')
  })

  it('a rotated key is fetched, and the old one still verifies old events', async () => {
    publishKey()
    const client = newClient()
    const then = world.clock.now()
    await verdict(client, REQUEST)
    world.clock.advance(60_000)
    publishKey(OTHER_KEY, world.clock.now() + DAY_MS, [{ key: KEY, expired: then }])
    expect(await verdict(client, REQUEST, OTHER_KEY)).toBe('valid')
    expect(await verdict(client, REQUEST)).toBe('invalid')
    expect(await verdict(client, eventAt(then))).toBe('valid')
  })

  it.each<[string, (object: JsonObject) => JsonObject]>([
    ['of another server', (object) => signJson({ ...object, server_name: 'c.example' }, server, KEY)],
    ['not signed', ({ signatures: _signatures, ...object }) => object],
    ['altered', (object) => ({ ...object, valid_until_ts: 1e15 })],
    ['signed by a key that it does not hold', ({ signatures: _s, ...object }) => signJson(object, server, OTHER_KEY)],
    ['without a time', ({ valid_until_ts: _until, ...object }) => signJson(object, server, KEY)],
    ['of wrong types', () => ({ server_name: 5, verify_keys: [], signatures: 'x', valid_until_ts: {} })],
  ])('keys that are %s are not believed', async (_what, spoil) => {
    publish(spoil(keyResponse(server, KEY, { validUntil: world.clock.now() + DAY_MS })))
    expect(await verdict(newClient(), REQUEST)).toBe('unknown-key')
  })

  it('a key whose private half is known to everybody is nobody’s', async () => {
    const bad = { key: 'l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og=' }
    const { signatures: _signatures, ...object } = keyResponse(server, KEY, { validUntil: world.clock.now() + DAY_MS })
    const keys = { ...getObject(object, 'verify_keys'), 'ed25519:bad': bad }
    publish(signJson({ ...object, verify_keys: keys }, server, KEY))
    const client = newClient()
    expect(await verdict(client, REQUEST, { ...KEY, keyId: 'ed25519:bad' })).toBe('unknown-key')
    expect(await verdict(client, REQUEST)).toBe('valid')
  })

  it('a server is not asked without end for keys that it does not have', async () => {
    publishKey()
    const client = newClient()
    for (let number = 10; number < 30; number++) await verdict(client, REQUEST, keyNumber(number))
    expect(fetches(SERVER_PATH)).toBe(6)
    world.clock.advance(61_000)
    await verdict(client, REQUEST, OTHER_KEY)
    expect(fetches(SERVER_PATH)).toBe(7)
  })

  it('notaries are asked first, for all servers at once, and the server only for what they do not know', async () => {
    vouch(keyResponse(server, KEY, { validUntil: world.clock.now() + DAY_MS }))
    const client = withNotary()
    expect(await verdict(client, REQUEST)).toBe('valid')
    expect([fetches(QUERY_PATH), fetches(SERVER_PATH)]).toEqual([1, 0])
    const asked = JSON.parse(world.remote.received[0]?.body ?? '{}')
    expect(Object.keys(asked.server_keys[server])).toEqual([KEY.keyId])
    publishKey(OTHER_KEY)
    expect(await verdict(client, REQUEST, OTHER_KEY)).toBe('valid')
    expect([fetches(QUERY_PATH), fetches(SERVER_PATH)]).toEqual([2, 1])
  })

  it('prefer_direct_fetch asks the server first, and notaries when it is silent', async () => {
    vouch(keyResponse(server, KEY, { validUntil: world.clock.now() + DAY_MS }))
    const client = withNotary(', prefer_direct_fetch: true')
    expect(await verdict(client, eventAt(world.clock.now()))).toBe('valid')
    expect([fetches(SERVER_PATH), fetches(QUERY_PATH)]).toEqual([1, 1])
  })

  it('what a notary has not signed with its configured key is not believed, and stale words replace nothing', async () => {
    const now = world.clock.now()
    vouch(keyResponse(server, KEY, { validUntil: now + DAY_MS }), keyNumber(9, NOTARY_KEY.keyId))
    expect(await verdict(withNotary(), REQUEST)).toBe('unknown-key')
    publishKey(OTHER_KEY, now + DAY_MS, [{ key: KEY, expired: now - DAY_MS }])
    const client = withNotary()
    expect(await verdict(client, REQUEST, OTHER_KEY)).toBe('valid')
    vouch(keyResponse(server, KEY, { validUntil: now + 1000 }))
    await verdict(client, REQUEST, keyNumber(11))
    expect(await verdict(client, REQUEST)).toBe('invalid')
  })

  it('verifies its own signatures without asking anybody', async () => {
    const signatures = new Map([[OWN_KEY.keyId, signText('text', OWN_KEY)]])
    const check = { server: OWN_NAME, text: 'text', signatures, use: REQUEST }
    expect(await newClient().keys.verify([check, { ...check, text: 'other' }])).toEqual(['valid', 'invalid'])
  })
})

describe('notary for others', () => {
  const query = (minimum?: number) => [{ server, keys: new Map([[KEY.keyId, minimum]]) }]

  it('passes on what a server has said, with our signature', async () => {
    publishKey()
    const [object] = await newClient().keys.notarised(query())
    const key = verifyKeyOf(OWN_KEY.publicKey)
    expect(object && key && verifyJson(object, OWN_NAME, OWN_KEY.keyId, key)).toBe(true)
    expect(getObject(getObject(object ?? {}, 'signatures') ?? {}, server)).toBeDefined()
  })

  it('gives an expired key when it can find no other, and keeps one that the server has forgotten', async () => {
    const expiry = world.clock.now() - DAY_MS
    const client = newClient()
    publishKey(KEY, expiry)
    expect(await client.keys.notarised(query(0))).toMatchObject([{ valid_until_ts: expiry }])
    expect(await client.keys.notarised(query(expiry + 1000))).toMatchObject([{ valid_until_ts: expiry }])
    expect(fetches(SERVER_PATH)).toBe(2)
    publishKey(OTHER_KEY, expiry + 1000)
    await client.keys.notarised(query(world.clock.now()))
    expect(fetches(SERVER_PATH)).toBe(3)
    const [kept] = await client.keys.notarised(query(expiry))
    expect(Object.keys(getObject(kept ?? {}, 'verify_keys') ?? {})).toEqual([KEY.keyId])
    expect(fetches(SERVER_PATH)).toBe(3)
  })

  it('says nothing of a server that cannot be reached, and knows itself', async () => {
    expect(await newClient().keys.notarised(query())).toEqual([])
    expect(await newClient().keys.notarised([{ server: OWN_NAME, keys: new Map() }])).toMatchObject([
      { server_name: OWN_NAME },
    ])
  })
})
