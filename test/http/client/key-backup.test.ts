import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
})
afterAll(() => server.stop())

const data = { first_message_index: 1, forwarded_count: 0, is_verified: false, session_data: { ciphertext: 'x' } }
const ALGORITHM = 'm.megolm_backup.v1.curve25519-aes-sha2'

async function newVersion(): Promise<string> {
  return (await alice.post('/room_keys/version', { algorithm: ALGORITHM, auth_data: { public_key: 'x' } })).body.version
}

describe('key backups over HTTP', () => {
  it('are made, shown, changed and deleted', async () => {
    const version = await newVersion()
    const shown = { version, algorithm: ALGORITHM, auth_data: { public_key: 'x' }, count: 0, etag: '0' }
    expect((await alice.get('/room_keys/version')).body).toEqual(shown)
    const path = `/room_keys/version/${version}`
    expect((await alice.get(path)).body).toEqual(shown)
    const change = { algorithm: ALGORITHM, auth_data: { public_key: 'y' } }
    expect((await alice.put(path, { ...change, version: '77' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await alice.put(path, { ...change, version })).status).toBe(200)
    expect((await alice.get(path)).body.auth_data).toEqual({ public_key: 'y' })
    expect((await alice.delete(path)).status).toBe(200)
    expect(await alice.get(path)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
  })

  it('take and give keys of all rooms, of a room, of a session', async () => {
    const version = await newVersion()
    const room = encodeURIComponent('!room:test.example')
    const session = encodeURIComponent('a/b+c')
    const put = await alice.put(`/room_keys/keys/${room}/${session}?version=${version}`, data)
    expect(put).toMatchObject({ status: 200, body: { count: 1, etag: '1' } })
    const two = { sessions: { second: data, third: data } }
    expect((await alice.put(`/room_keys/keys/${room}?version=${version}`, two)).body.count).toBe(3)
    const rooms = { rooms: { '!other': { sessions: { fourth: data } } } }
    expect((await alice.put(`/room_keys/keys?version=${version}`, rooms)).body.count).toBe(4)
    expect((await alice.get(`/room_keys/keys?version=${version}`)).body).toEqual({
      rooms: {
        '!room:test.example': { sessions: { 'a/b+c': data, second: data, third: data } },
        '!other': { sessions: { fourth: data } },
      },
    })
    expect((await alice.get(`/room_keys/keys/!other?version=${version}`)).body).toEqual({ sessions: { fourth: data } })
    expect((await alice.get(`/room_keys/keys/${room}/${session}?version=${version}`)).body).toEqual(data)
    expect((await alice.delete(`/room_keys/keys/${room}/${session}?version=${version}`)).body.count).toBe(3)
    expect((await alice.delete(`/room_keys/keys/${room}?version=${version}`)).body.count).toBe(1)
    expect((await alice.delete(`/room_keys/keys?version=${version}`)).body.count).toBe(0)
  })

  it('that are empty are empty objects, and a session or version that is not there is not found', async () => {
    const version = await newVersion()
    expect((await alice.get(`/room_keys/keys?version=${version}`)).body).toEqual({ rooms: {} })
    expect((await alice.get(`/room_keys/keys/!none?version=${version}`)).body).toEqual({ sessions: {} })
    for (const path of [`/room_keys/keys/!none/none?version=${version}`, '/room_keys/keys?version=bogus']) {
      expect(await alice.get(path)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
    expect((await alice.get('/room_keys/keys')).body.errcode).toBe('M_MISSING_PARAM')
  })

  it('refuse keys for another version than the newest', async () => {
    const old = await newVersion()
    const current = await newVersion()
    expect(await alice.put(`/room_keys/keys/!r/s?version=${old}`, data)).toMatchObject({
      status: 403,
      body: { errcode: 'M_WRONG_ROOM_KEYS_VERSION', current_version: current },
    })
  })
})
