import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

const NEW = 'another good password'

let server: TestServer
let admin: TestUser
beforeAll(async () => {
  server = await startTestServer()
  admin = await server.register('admin')
  await server.app.components.userapi.setAccountType(admin.userId as UserId, 'admin')
})
afterAll(() => server.stop())

describe('resetPassword', () => {
  const path = (userId: string) => `/_dendrite/admin/resetPassword/${userId}`

  it('sets a new one and ends logins where that is asked for', async () => {
    const user = await server.register('forgetful')
    expect(await admin.post(path(user.userId), { password: NEW })).toMatchObject({
      status: 200,
      body: { password_updated: true },
    })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
    await server.login('forgetful', NEW)
    await admin.post(path(user.userId), { password: `${NEW}!`, logout_devices: true })
    expect(await user.get('/account/whoami')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  })

  it('brings no deactivated account back to life, and is for administrators (row 10)', async () => {
    const user = await server.register('dead')
    expect(await user.post(path(admin.userId), { password: NEW })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    await user.post('/account/deactivate', { auth: { type: 'm.login.password', password: 'correct horse battery' } })
    expect(await admin.post(path(user.userId), { password: NEW })).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    expect(
      await server.request('POST', '/login', { type: 'm.login.password', user: 'dead', password: NEW }),
    ).toMatchObject({ status: 403, body: { errcode: 'M_USER_DEACTIVATED' } })
    expect(await admin.post(path('@nobody:test.example'), { password: NEW })).toMatchObject({ status: 404 })
    expect(await admin.post(path('@x:elsewhere.example'), { password: NEW })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await admin.post(path('@admin:test.example'), { password: 'short' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_WEAK_PASSWORD' },
    })
  })
})

describe('evacuating', () => {
  it('takes a user out of all rooms, and all users out of a room', async () => {
    const [user, friend] = [await server.register('mover'), await server.register('stayer')]
    const rooms: string[] = []
    for (let n = 0; n < 3; n++) {
      const { room_id } = (await friend.post('/createRoom', { preset: 'public_chat' })).body
      await user.post(`/join/${room_id}`)
      rooms.push(room_id)
    }
    const taken = await admin.post(`/_dendrite/admin/evacuateUser/${user.userId}`)
    expect(taken.body.affected.sort()).toEqual([...rooms].sort())
    expect((await user.get('/joined_rooms')).body.joined_rooms).toEqual([])
    await user.post(`/join/${rooms[0]}`)
    const emptied = await admin.post(`/_dendrite/admin/evacuateRoom/${rooms[0]}`)
    expect(emptied.body.affected.sort()).toEqual([user.userId, friend.userId].sort())
    expect((await friend.get('/joined_rooms')).body.joined_rooms.sort()).toEqual(rooms.slice(1).sort())
    expect(await admin.post('/_dendrite/admin/evacuateRoom/!nothing:test.example')).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    expect(await user.post(`/_dendrite/admin/evacuateUser/${friend.userId}`)).toMatchObject({ status: 403 })
  })
})
