import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { finishDeactivations } from '../../../src/workflows/deactivate-account.js'
import { adminQuery } from '../../support/postgres.js'
import { makeRoom } from '../../support/rooms.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

const PASSWORD = 'correct horse battery'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const passwordOf = (user: string, password = PASSWORD) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
})

async function withDevices(name: string): Promise<TestUser> {
  const user = await server.register(name)
  await server.login(name, PASSWORD, 'ONE')
  await server.login(name, PASSWORD, 'TWO')
  return user
}

describe('user-interactive authentication', () => {
  it('guards what an access token alone must not do', async () => {
    const user = await withDevices('guarded')
    const asked = await Promise.all([
      user.delete('/devices/ONE'),
      user.delete('/devices/ONE', {}),
      user.post('/delete_devices', { devices: ['ONE'] }),
      user.post('/account/password', { new_password: 'another password' }),
      user.post('/account/deactivate', {}),
    ])
    for (const answer of asked) {
      expect(answer).toMatchObject({
        status: 401,
        body: { flows: [{ stages: ['m.login.password'] }], params: {}, completed: [], session: expect.any(String) },
      })
      expect(answer.body).not.toHaveProperty('errcode')
    }
    expect((await user.get('/devices')).body.devices).toHaveLength(3)
  })

  it('lets a wrong password try again in its session, and the right one through', async () => {
    const user = await withDevices('retrying')
    const { session } = (await user.delete('/devices/ONE')).body
    const wrong = await user.delete('/devices/ONE', { auth: { ...passwordOf('retrying', 'cashewnuts'), session } })
    expect(wrong).toMatchObject({ status: 401, body: { errcode: 'M_FORBIDDEN', session, completed: [] } })
    expect(wrong.body).toHaveProperty('flows')
    expect(await user.delete('/devices/ONE', { auth: { ...passwordOf('retrying'), session } })).toMatchObject({
      status: 200,
    })
    expect(await user.get('/devices/ONE')).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
  })

  it('opens a session for one request only', async () => {
    const user = await withDevices('binding')
    const { session } = (await user.delete('/devices/ONE')).body
    const auth = { ...passwordOf('binding'), session }
    expect(await user.delete('/devices/TWO', { auth })).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await user.post('/account/deactivate', { auth })).toMatchObject({ status: 403 })
    const other = await server.register('binding2')
    expect(await other.delete('/devices/ONE', { auth: { session } })).toMatchObject({ status: 403 })
    expect(await user.delete('/devices/ONE', { auth })).toMatchObject({ status: 200 })
    // It has been used up.
    expect(await user.delete('/devices/ONE', { auth: { session } })).toMatchObject({ status: 401 })
  })

  it('takes no password but that of the account', async () => {
    const user = await withDevices('owner')
    await server.register('eve')
    expect(await user.delete('/devices/ONE', { auth: passwordOf('eve') })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(await user.get('/devices/ONE')).toMatchObject({ status: 200 })
  })

  it('is not satisfied by odd shapes, stages of other flows, or an empty password', async () => {
    const user = await withDevices('odd')
    for (const auth of [
      { type: 'm.login.dummy' },
      { type: 'm.login.password' },
      { type: 'm.login.password', password: '' },
      { type: 'm.login.password', password: { $ne: 1 } },
      { type: '__proto__' },
      { session: 'unknown' },
      { completed: ['m.login.password'] },
    ]) {
      expect(await user.delete('/devices/ONE', { auth }), JSON.stringify(auth)).toMatchObject({
        status: 401,
        body: { completed: [] },
      })
    }
    expect(await user.delete('/devices/ONE', { auth: 'x' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
  })

  it('is impossible for an account without a password', async () => {
    const userId = '@sso:test.example' as UserId
    const { userapi } = server.app.components
    await userapi.createAccount({ userId, type: 'user' })
    const { accessToken, deviceId } = await userapi.login({ userId })
    const user = server.as({ userId, deviceId, token: accessToken })
    for (const password of ['', 'x']) {
      const auth = { type: 'm.login.password', password }
      expect(await user.delete(`/devices/${deviceId}`, { auth })).toMatchObject({
        status: 401,
        body: { completed: [] },
      })
    }
  })
})

describe('a new password', () => {
  const NEW = 'a much better password'

  it('ends the other logins, keeps this one, and neither password is anywhere in the database', async () => {
    const user = await withDevices('changing')
    const other = await server.login('changing')
    const body = { new_password: NEW }
    const { session } = (await user.post('/account/password', body)).body
    expect(
      await user.post('/account/password', { ...body, auth: { ...passwordOf('changing'), session } }),
    ).toMatchObject({ status: 200 })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
    expect(await other.get('/account/whoami')).toMatchObject({ status: 401 })
    await expect(server.login('changing', PASSWORD)).rejects.toThrow('403')
    await server.login('changing', NEW)
    const rows = await adminQuery<{ text: string }>(
      server.connectionString,
      "SELECT query_to_xml('SELECT * FROM ' || t.schemaname || '.' || t.tablename, false, false, '')::text AS text " +
        "FROM pg_tables t WHERE t.schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    const dump = rows.map(({ text }) => text).join()
    expect(dump).toContain('@changing:test.example')
    expect(dump).not.toContain(NEW)
    expect(dump).not.toContain(PASSWORD)
  })

  it('keeps the other logins when asked to, and can be set by who knows the old one without a token', async () => {
    const user = await server.register('keeping')
    const kept = await server.request('POST', '/account/password', {
      new_password: NEW,
      logout_devices: false,
      auth: passwordOf('keeping'),
    })
    expect(kept).toMatchObject({ status: 200 })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
    await server.login('keeping', NEW)
    expect(await user.post('/account/password', { new_password: 'short' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_WEAK_PASSWORD' },
    })
  })
})

describe('deactivation', () => {
  it('ends logins and password, keeps the name taken, and empties the rooms of the user', async () => {
    const user = await server.register('leaving')
    const { roomserver } = server.app.components
    const room = await makeRoom(roomserver, user.userId)
    const owned = await makeRoom(roomserver, (await server.register('owner2')).userId, [user.userId])
    expect(await user.post('/account/deactivate', { auth: passwordOf('leaving', 'wrong') })).toMatchObject({
      status: 401,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(await user.post('/account/deactivate', { auth: passwordOf('leaving'), erase: true })).toMatchObject({
      status: 200,
      body: { id_server_unbind_result: 'success' },
    })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
    const again = { type: 'm.login.password', user: 'leaving', password: PASSWORD }
    expect(await server.request('POST', '/login', again)).toMatchObject({
      status: 403,
      body: { errcode: 'M_USER_DEACTIVATED' },
    })
    expect(await server.request('GET', '/register/available?username=leaving')).toMatchObject({
      body: { errcode: 'M_USER_IN_USE' },
    })
    expect((await server.request('GET', '/profile/@leaving:test.example')).body).toEqual({})
    for (const roomId of [room, owned]) {
      expect(await roomserver.membership(roomId, user.userId as UserId)).toMatchObject({ membership: 'leave' })
    }
  })

  it('that a crash has cut short is finished by the next start', async () => {
    const user = await server.register('crashing')
    const { userapi, roomserver } = server.app.components
    const room = await makeRoom(roomserver, user.userId)
    await userapi.deactivate(user.userId as UserId, { erase: false })
    expect(await userapi.unfinishedDeactivations()).toEqual([user.userId])
    await finishDeactivations(server.app.components)
    expect(await userapi.unfinishedDeactivations()).toEqual([])
    expect(await roomserver.membership(room, user.userId as UserId)).toMatchObject({ membership: 'leave' })

    const again = await server.register('crashing2')
    const second = await makeRoom(roomserver, again.userId)
    await userapi.deactivate(again.userId as UserId, { erase: false })
    await server.restart()
    await expect.poll(() => server.app.components.userapi.unfinishedDeactivations()).toEqual([])
    const { roomserver: restarted } = server.app.components
    expect(await restarted.membership(second, again.userId as UserId)).toMatchObject({ membership: 'leave' })
  })
})

describe('devices', () => {
  it('are listed, named and deleted together', async () => {
    const user = await withDevices('devices')
    expect(await user.put('/devices/ONE', { display_name: 'phone' })).toMatchObject({ status: 200, body: {} })
    expect((await user.get('/devices/ONE')).body).toMatchObject({
      device_id: 'ONE',
      display_name: 'phone',
      last_seen_ip: '127.0.0.1',
    })
    expect(await user.put('/devices/ONE', {})).toMatchObject({ status: 200 })
    expect((await user.get('/devices/ONE')).body.display_name).toBe('phone')
    expect(await user.put('/devices/ONE', { display_name: 'x'.repeat(101) })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await user.put('/devices/NONE', { display_name: 'x' })).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    expect(await user.put('/devices/NONE', {})).toMatchObject({ status: 404 })
    const { devices } = (await user.get('/devices')).body
    expect(devices.map(({ device_id }: { device_id: string }) => device_id).sort()).toEqual(
      [user.deviceId, 'ONE', 'TWO'].sort(),
    )
    const auth = passwordOf('devices')
    expect(await user.post('/delete_devices', { devices: ['ONE', 'TWO', 'NONE'], auth })).toMatchObject({ status: 200 })
    expect((await user.get('/devices')).body.devices).toHaveLength(1)
    expect(await user.post('/delete_devices', { auth })).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  })
})
