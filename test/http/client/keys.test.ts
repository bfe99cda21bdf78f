import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
})
afterAll(() => server.stop())

function deviceKeys(user: TestUser) {
  return {
    user_id: user.userId,
    device_id: user.deviceId,
    algorithms: ['m.megolm.v1.aes-sha2'],
    keys: { [`ed25519:${user.deviceId}`]: 'key' },
    signatures: { [user.userId]: { [`ed25519:${user.deviceId}`]: 'signature' } },
  }
}

describe('POST /keys/upload', () => {
  it('takes keys, and null as if it were absent', async () => {
    const keys = { device_keys: deviceKeys(alice), one_time_keys: { 'signed_curve25519:a': 'x' }, fallback_keys: null }
    expect(await alice.post('/keys/upload', keys)).toMatchObject({
      status: 200,
      body: { one_time_key_counts: { signed_curve25519: 1 } },
    })
    const nothing = { device_keys: null, one_time_keys: null }
    expect((await alice.post('/keys/upload', nothing)).body.one_time_key_counts).toEqual({ signed_curve25519: 1 })
  })

  it.each([
    ['a list as device keys', { device_keys: [] }],
    ['missing members', { device_keys: { user_id: '@alice:test.example' } }],
    ['text as one-time keys', { one_time_keys: 'x' }],
  ])('refuses %s', async (_what, body) => {
    expect(await alice.post('/keys/upload', body)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })
})

describe('POST /keys/query', () => {
  it('gives the keys with the name of the device, and nothing of what does not exist', async () => {
    await alice.post('/keys/upload', { device_keys: deviceKeys(alice) })
    await alice.put(`/devices/${alice.deviceId}`, { display_name: "Alice's" })
    const asked = {
      [alice.userId]: [],
      [bob.userId]: [],
      '@nobody:test.example': [],
      '@x:elsewhere.example': [],
      bad: [],
    }
    const { body } = await bob.post('/keys/query', { device_keys: asked })
    expect(body.device_keys).toEqual({
      [alice.userId]: {
        [alice.deviceId]: { ...deviceKeys(alice), unsigned: { device_display_name: "Alice's" } },
      },
      [bob.userId]: {},
    })
    expect(Object.keys(body.failures)).toEqual(['elsewhere.example'])
  })

  it('refuses a list of devices that is none', async () => {
    const answer = await bob.post('/keys/query', { device_keys: { [alice.userId]: 'all' } })
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await bob.post('/keys/query', {})).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })

  it('needs the same number of statements for one user as for all', async () => {
    const query = (users: TestUser[]) =>
      server.statements(() =>
        bob.post('/keys/query', { device_keys: Object.fromEntries(users.map((u) => [u.userId, []])) }),
      )
    await query([alice, bob])
    expect(await query([alice, bob])).toHaveLength((await query([alice])).length)
  })
})

describe('POST /keys/claim', () => {
  it('gives a key once', async () => {
    const { deviceId } = await server.login('alice')
    const device = await server.login('alice', undefined, deviceId)
    await device.post('/keys/upload', { one_time_keys: { 'test_algorithm:id': 'secret' } })
    const wanted = {
      one_time_keys: { [alice.userId]: { [deviceId]: 'test_algorithm' }, '@x:elsewhere.example': { A: 'b' } },
    }
    const first = await bob.post('/keys/claim', wanted)
    expect(first.body.one_time_keys).toEqual({ [alice.userId]: { [deviceId]: { 'test_algorithm:id': 'secret' } } })
    expect(Object.keys(first.body.failures)).toEqual(['elsewhere.example'])
    expect((await bob.post('/keys/claim', wanted)).body.one_time_keys).toEqual({})
  })
})

describe('POST /keys/device_signing/upload', () => {
  // Public key of an Ed25519 key pair.
  const publicKeys = ['nqOvzeuGWT/sRx3h7+MHoInYj3Uk2LD/unI9kDYcHwk', 'EmkqvokUn8p+vQAGZitOk4PWjp7Ukp3txV2TbMPEiBQ']
  const master = (user: TestUser, key = publicKeys[0] ?? '') => ({
    master_key: { user_id: user.userId, usage: ['master'], keys: { [`ed25519:${key}`]: key } },
  })

  it('takes the first keys as they come, the same again, and others with a password', async () => {
    const carol = await server.register('carol')
    const path = '/keys/device_signing/upload'
    expect((await carol.post(path, master(carol))).status).toBe(200)
    expect((await carol.post(path, master(carol))).status).toBe(200)
    const other = master(carol, publicKeys[1])
    const refused = await carol.post(path, other)
    expect(refused).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.password'] }] } })
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: carol.userId },
      password: 'correct horse battery',
      session: refused.body.session,
    }
    expect((await carol.post(path, { ...other, auth })).status).toBe(200)
    const { body } = await alice.post('/keys/query', { device_keys: { [carol.userId]: [] } })
    expect(body.master_keys).toEqual({ [carol.userId]: other.master_key })
  })

  it('answers failures of signatures one by one', async () => {
    const signed = { [alice.userId]: { NOSUCH: { user_id: alice.userId } } }
    expect(await alice.post('/keys/signatures/upload', signed)).toMatchObject({
      status: 200,
      body: { failures: { [alice.userId]: { NOSUCH: { errcode: 'M_NOT_FOUND' } } } },
    })
  })
})

describe('PUT /sendToDevice', () => {
  it('refuses messages that are no objects', async () => {
    for (const messages of [undefined, [], { [alice.userId]: 'x' }, { [alice.userId]: { A: 'x' } }]) {
      const answer = await alice.put('/sendToDevice/m.test/1', { messages })
      expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    }
  })
})
