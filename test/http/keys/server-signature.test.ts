import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServerSignatures } from '../../../src/http/auth/server-signature.js'
import { route } from '../../../src/http/route.js'
import { jsonObjectSchema } from '../../../src/http/schema/json.js'
import type { ServerName } from '../../../src/protocol/ids.js'
import { canonicalJson, type JsonObject } from '../../../src/protocol/json.js'
import type { SigningKey } from '../../../src/protocol/signing.js'
import { xMatrixHeader } from '../../../src/protocol/x-matrix.js'
import { createWorld, OWN_KEY, OWN_NAME, type World } from '../../components/federationclient/support.js'
import { keyNumber, keyResponse, sendJson } from '../../support/evil-server.js'
import { startTestHttp, type TestHttp } from '../../support/http.js'

const PATH = '/_matrix/federation/v1/echo'
const KEY = keyNumber(1)
const OLD_KEY = keyNumber(2)

let world: World
let http: TestHttp
let origin: ServerName

beforeAll(async () => {
  world = await createWorld()
  origin = `a.example:${world.remote.port}` as ServerName
  const now = world.clock.now()
  const published = keyResponse(origin, KEY, {
    validUntil: now + 86_400_000,
    old: [{ key: OLD_KEY, expired: now + 3_600_000 }],
  })
  world.remote.plays.set('/_matrix/key/v2/server', (_request, response) => sendJson(response, published))
  const routes = [
    route({ method: 'GET', path: PATH, auth: 'server', handler: async ({ origin: by }) => ({ by }) }),
    route({
      method: 'PUT',
      path: PATH,
      auth: 'server',
      body: jsonObjectSchema,
      handler: async ({ origin: by, body }) => ({ by, body }),
    }),
  ]
  http = await startTestHttp(routes, { serverSignatures: createServerSignatures(OWN_NAME, world.client()) })
})
afterAll(async () => {
  await http.close()
  await world.close()
})

interface Sent {
  readonly method?: 'GET' | 'PUT'
  readonly path?: string
  readonly body?: JsonObject
  readonly destination?: ServerName
  readonly from?: ServerName
  readonly key?: SigningKey
  /** What is really sent, where that is not what was signed. */
  readonly really?: { readonly path?: string; readonly body?: string; readonly authorization?: string }
}

async function send({
  method = 'GET',
  path = PATH,
  body,
  destination = OWN_NAME,
  from = origin,
  key = KEY,
  really = {},
}: Sent) {
  const content = body === undefined ? undefined : canonicalJson(body)
  const parts = { method, uri: path, origin: from, destination, ...(content === undefined ? {} : { content }) }
  const answer = await http.client.request(method, really.path ?? path, {
    headers: { authorization: really.authorization ?? xMatrixHeader(parts, key) },
    body: really.body ?? (body === undefined ? undefined : JSON.stringify(body)),
  })
  return answer.status === 200 ? answer.body : [answer.status, answer.body.errcode]
}

const REFUSED = [401, 'M_UNAUTHORIZED']

describe('requests of other servers', () => {
  it('are served under the name of the server that has signed them', async () => {
    expect(await send({})).toEqual({ by: origin })
    expect(await send({ path: `${PATH}?b=%24x%2Fy&a=%27` })).toEqual({ by: origin })
    const body = { b: 1, a: { é: [true, null] } }
    expect(await send({ method: 'PUT', body })).toEqual({ by: origin, body })
  })

  it('that are not signed, or by another scheme, are refused', async () => {
    for (const authorization of [
      '',
      'Bearer token',
      'X-Matrix',
      'X-Matrix origin=a.example',
      'X-Matrix origin="a b",key="x",sig="y"',
    ]) {
      expect(await send({ really: { authorization } })).toEqual(REFUSED)
    }
  })

  it('that were signed for another path, query, method, body or destination are refused', async () => {
    expect(await send({ really: { path: `${PATH}?a=b` } })).toEqual(REFUSED)
    expect(await send({ method: 'PUT', body: { a: 1 }, really: { body: '{"a":2}' } })).toEqual(REFUSED)
    expect(await send({ destination: 'other.example' as ServerName })).toEqual(REFUSED)
    expect(await send({ method: 'PUT', body: { a: 1 }, path: `${PATH}?x`, really: { path: PATH } })).toEqual(REFUSED)
  })

  it('that claim another origin, ours, or a key that is unknown or no longer in use are refused', async () => {
    expect(await send({ from: `b.example:${world.remote.port}` as ServerName })).toEqual(REFUSED)
    expect(await send({ from: OWN_NAME, key: OWN_KEY })).toEqual(REFUSED)
    expect(await send({ key: keyNumber(9) })).toEqual(REFUSED)
    expect(await send({ key: { ...keyNumber(9), keyId: KEY.keyId } })).toEqual(REFUSED)
    expect(await send({ key: OLD_KEY })).toEqual(REFUSED)
  })

  it('with a body that is no JSON are told so', async () => {
    expect(await send({ method: 'PUT', body: {}, really: { body: '{' } })).toEqual([400, 'M_NOT_JSON'])
    expect(await send({ method: 'PUT', body: {}, really: { body: '{"a":1,"a":2}' } })).toEqual([400, 'M_BAD_JSON'])
  })
})
