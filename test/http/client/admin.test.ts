import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let admin: TestUser
beforeAll(async () => {
  server = await startTestServer()
  admin = await server.register('admin')
  await server.app.components.userapi.setAccountType(admin.userId as UserId, 'admin')
})
afterAll(() => server.stop())

const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const suspended = { status: 403, body: { errcode: 'M_USER_SUSPENDED' } }

describe('whois', () => {
  it('shows administrators everybody and others themselves', async () => {
    const user = await server.register('looked-at')
    await server.login('looked-at', undefined, 'PHONE')
    const path = '/admin/whois/@looked-at:test.example'
    for (const viewer of [admin, user]) {
      const { status, body } = await viewer.get(path)
      expect(status).toBe(200)
      expect(body.user_id).toBe('@looked-at:test.example')
      expect(Object.keys(body.devices).sort()).toEqual(['PHONE', user.deviceId].sort())
      expect(body.devices.PHONE.sessions[0].connections[0]).toMatchObject({
        ip: '127.0.0.1',
        last_seen: expect.any(Number),
      })
    }
    expect(await user.get('/admin/whois/@admin:test.example')).toMatchObject(forbidden)
    expect(await admin.get('/admin/whois/@x:elsewhere.example')).toMatchObject({ status: 400 })
  })
})

describe('locking and suspending', () => {
  for (const [action, field] of [
    ['lock', 'locked'],
    ['suspend', 'suspended'],
  ] as const) {
    const path = (userId: string) => `/_matrix/client/v1/admin/${action}/${userId}`

    it(`${action}: is for administrators, about users of this server who are none`, async () => {
      const user = await server.register(`target-${action}`)
      const target = path(user.userId)
      expect((await admin.get(target)).body).toEqual({ [field]: false })
      expect(await admin.put(target, { [field]: true })).toMatchObject({ status: 200, body: { [field]: true } })
      expect((await admin.get(target)).body).toEqual({ [field]: true })
      expect(await admin.put(target, { [field]: false })).toMatchObject({ status: 200, body: { [field]: false } })
      expect(await admin.put(target, {})).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
      const other = await server.register(`other-${action}`)
      // Nobody learns by trying which accounts there are.
      for (const name of [user.userId, '@nobody:test.example', '@x:elsewhere.example']) {
        expect(await other.get(path(name))).toMatchObject(forbidden)
        expect(await other.put(path(name), { [field]: true })).toMatchObject(forbidden)
      }
      expect(await admin.put(path('@x:elsewhere.example'), { [field]: true })).toMatchObject({
        status: 400,
        body: { errcode: 'M_INVALID_PARAM' },
      })
      expect(await admin.put(path('@nobody:test.example'), { [field]: true })).toMatchObject({
        status: 404,
        body: { errcode: 'M_NOT_FOUND' },
      })
      expect(await admin.put(path(admin.userId), { [field]: true })).toMatchObject(forbidden)
      const second = await server.register(`second-${action}`)
      await server.app.components.userapi.setAccountType(second.userId as UserId, 'admin')
      expect(await admin.put(path(second.userId), { [field]: true })).toMatchObject(forbidden)
    })
  }

  it('is offered to administrators only', async () => {
    const user = await server.register('offered')
    const of = async (who: TestUser) => (await who.get('/capabilities')).body.capabilities['m.account_moderation']
    expect(await of(admin)).toEqual({ lock: true, suspend: true })
    expect(await of(user)).toBeUndefined()
  })

  it('locks out softly, with the sessions kept, until it is unlocked', async () => {
    const user = await server.register('locked')
    const path = `/_matrix/client/v1/admin/lock/${user.userId}`
    const locked = { status: 401, body: { errcode: 'M_USER_LOCKED', soft_logout: true } }
    await admin.put(path, { locked: true })
    expect(await user.get('/sync')).toMatchObject(locked)
    const login = { type: 'm.login.password', user: 'locked', password: 'correct horse battery' }
    expect(await server.request('POST', '/login', login)).toMatchObject(locked)
    await admin.put(path, { locked: false })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
    await admin.put(path, { locked: true })
    expect(await user.post('/logout')).toMatchObject({ status: 200 })
  })

  it('suspended, people may read, leave and redact what is theirs, and nothing that others see', async () => {
    const user = await server.register('suspended')
    const friend = await server.register('friend')
    const room = (await user.post('/createRoom', { invite: [friend.userId] })).body.room_id
    await friend.post(`/rooms/${room}/join`)
    const other = (await friend.post('/createRoom', { preset: 'public_chat' })).body.room_id
    const invited = (await friend.post('/createRoom', { invite: [user.userId] })).body.room_id
    const message = { msgtype: 'm.text', body: 'x' }
    const own = (await user.put(`/rooms/${room}/send/m.room.message/1`, message)).body.event_id
    const theirs = (await friend.put(`/rooms/${room}/send/m.room.message/1`, message)).body.event_id
    await admin.put(`/_matrix/client/v1/admin/suspend/${user.userId}`, { suspended: true })

    const refused = await Promise.all([
      user.put(`/rooms/${room}/send/m.room.message/2`, message),
      user.put(`/rooms/${room}/state/m.room.name/`, { name: 'x' }),
      user.put(`/rooms/${room}/redact/${theirs}/3`),
      user.post(`/rooms/${other}/join`),
      user.post(`/join/${other}`),
      user.post(`/rooms/${invited}/join`),
      user.post(`/knock/${invited}`),
      user.post(`/rooms/${room}/invite`, { user_id: admin.userId }),
      user.post(`/rooms/${room}/kick`, { user_id: friend.userId }),
      user.post('/createRoom', {}),
      user.put(`/profile/${user.userId}/displayname`, { displayname: 'x' }),
      user.put(`/rooms/${room}/state/m.room.member/${user.userId}`, { membership: 'join', displayname: 'x' }),
    ])
    for (const [index, answer] of refused.entries()) expect(answer, `number ${index}`).toMatchObject(suspended)
    expect(await user.get('/sync')).toMatchObject({ status: 200 })
    expect(await user.get(`/rooms/${room}/messages?dir=b`)).toMatchObject({ status: 200 })
    expect(await user.put(`/rooms/${room}/redact/${own}/4`)).toMatchObject({ status: 200 })
    expect(await user.post(`/rooms/${invited}/leave`)).toMatchObject({ status: 200 })
    expect(await user.post(`/rooms/${room}/leave`)).toMatchObject({ status: 200 })
    await server.login('suspended')
    await admin.put(`/_matrix/client/v1/admin/suspend/${user.userId}`, { suspended: false })
    expect(await user.post('/createRoom', {})).toMatchObject({ status: 200 })
  })
})

describe('the relay for calls (row 19)', () => {
  const yaml = (turn: string) =>
    `version: 2\nglobal: { server_name: test.example }\nclient_api: { registration_disabled: false, rate_limiting: { enabled: false }, turn: ${turn} }\nuser_api: { bcrypt_cost: 4 }\n`
  const uris = ['turn:turn.example:3478?transport=udp']

  it('is none by default, and nothing for strangers and guests', async () => {
    const user = await server.register('caller')
    expect(await user.get('/voip/turnServer')).toMatchObject({ status: 200, body: {} })
    expect(await server.request('GET', '/voip/turnServer')).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    })
    const guest = (await server.request('POST', '/register?kind=guest', {})).body.access_token
    expect(await server.request('GET', '/voip/turnServer', undefined, guest)).toMatchObject({
      status: 403,
      body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' },
    })
  })

  it('is opened by a name with an end, signed with the shared secret', async () => {
    const turning = await startTestServer({
      yaml: yaml(`{ turn_user_lifetime: 1h, turn_uris: ["${uris[0]}"], turn_shared_secret: s3cret }`),
    })
    const { body } = await (await turning.register('caller')).get('/voip/turnServer')
    expect(body).toMatchObject({ uris, ttl: 3600 })
    const [until, ...name] = body.username.split(':')
    expect(name.join(':')).toBe('@caller:test.example')
    expect(Number(until) - Date.now() / 1000).toBeGreaterThan(3_500)
    expect(body.password).toBe(createHmac('sha1', 's3cret').update(body.username).digest('base64'))
    await turning.stop()
  })

  it('is opened by the one fixed name', async () => {
    const turning = await startTestServer({
      yaml: yaml(`{ turn_uris: ["${uris[0]}"], turn_username: u, turn_password: p }`),
    })
    const { body } = await (await turning.register('caller')).get('/voip/turnServer')
    expect(body).toEqual({ username: 'u', password: 'p', uris, ttl: 86_400 })
    await turning.stop()
  })
})
