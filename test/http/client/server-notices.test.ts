import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

const PATH = '/_synapse/admin/v1/send_server_notice'
const content = { msgtype: 'm.text', body: 'The server rests tonight' }

let server: TestServer
let admin: TestUser
beforeAll(async () => {
  server = await startTestServer({
    yaml: 'version: 2\nglobal: { server_name: test.example, server_notices: { enabled: true, local_part: notices, display_name: The Server, room_name: News } }\nclient_api: { registration_disabled: false, rate_limiting: { enabled: false } }\nuser_api: { bcrypt_cost: 4 }\n',
  })
  admin = await server.register('admin')
  await server.app.components.userapi.setAccountType(admin.userId as UserId, 'admin')
})
afterAll(() => server.stop())

describe('server notices', () => {
  it('reach a user in one room of their own, in which they are invited and cannot answer', async () => {
    const user = await server.register('told')
    const notice = { user_id: user.userId, content }
    const sent = await Promise.all([admin.post(PATH, notice), admin.post(PATH, notice), admin.put(`${PATH}/1`, notice)])
    for (const answer of sent) expect(answer).toMatchObject({ status: 200, body: { event_id: expect.any(String) } })
    expect((await admin.put(`${PATH}/1`, notice)).body).toEqual(sent[2]?.body)
    const invites = Object.keys((await user.get('/sync')).body.rooms.invite)
    expect(invites).toHaveLength(1)
    const room = invites[0] as string
    await user.post(`/rooms/${room}/join`)
    const { body } = await user.get('/sync')
    const joined = body.rooms.join[room]
    expect(joined.account_data.events).toContainEqual({
      type: 'm.tag',
      content: { tags: { 'm.server_notice': { order: 1 } } },
    })
    const texts = joined.timeline.events.filter(({ type }: { type: string }) => type === 'm.room.message')
    expect(texts.map(({ sender }: { sender: string }) => sender)).toEqual(Array(3).fill('@notices:test.example'))
    expect((await user.get(`/rooms/${room}/state/m.room.name`)).body).toEqual({ name: 'News' })
    expect(await user.put(`/rooms/${room}/send/m.room.message/1`, content)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect((await server.request('GET', '/profile/@notices:test.example')).body).toEqual({ displayname: 'The Server' })
  })

  it('are sent by administrators to accounts of this server, and nobody can be their sender', async () => {
    const user = await server.register('curious')
    expect(await user.post(PATH, { user_id: admin.userId, content })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    for (const user_id of ['@nobody:test.example', '@x:elsewhere.example']) {
      expect(await admin.post(PATH, { user_id, content })).toMatchObject({
        status: 404,
        body: { errcode: 'M_NOT_FOUND' },
      })
    }
    expect(await admin.post(PATH, { user_id: user.userId })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    const auth = { type: 'm.login.dummy' }
    expect(
      await server.request('POST', '/register', { username: 'notices', password: 'sUp3rs3kr1t', auth }),
    ).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
  })
})
