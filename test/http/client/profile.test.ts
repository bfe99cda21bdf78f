import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeRoom } from '../../support/rooms.js'
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

const profile = '/profile/@alice:test.example'

describe('a profile', () => {
  it('is public, field by field', async () => {
    expect(await alice.put(`${profile}/displayname`, { displayname: 'Alice A.' })).toMatchObject({
      status: 200,
      body: {},
    })
    expect(await alice.put(`${profile}/avatar_url`, { avatar_url: 'mxc://test.example/a' })).toMatchObject({
      status: 200,
    })
    expect(await alice.put(`${profile}/m.tz`, { 'm.tz': 'Europe/Berlin' })).toMatchObject({ status: 200 })
    expect(await server.request('GET', profile)).toMatchObject({
      status: 200,
      body: { displayname: 'Alice A.', avatar_url: 'mxc://test.example/a', 'm.tz': 'Europe/Berlin' },
    })
    expect((await server.request('GET', `${profile}/displayname`)).body).toEqual({ displayname: 'Alice A.' })
    expect((await bob.get(`${profile}/m.tz`)).body).toEqual({ 'm.tz': 'Europe/Berlin' })
  })

  it('holds custom fields of any JSON', async () => {
    const text = '{"org.example.job":{"title":null,"level":9007199254740993,"list":[1,"\\u0000"]}}'
    expect(await alice.put(`${profile}/org.example.job`, text)).toMatchObject({ status: 200 })
    const answer = await fetch(`${server.url}/_matrix/client/v3${profile}/org.example.job`)
    expect(await answer.text()).toBe(text)
    expect(await alice.delete(`${profile}/org.example.job`)).toMatchObject({ status: 200, body: {} })
    expect(await alice.get(`${profile}/org.example.job`)).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    expect(await alice.delete(`${profile}/org.example.job`)).toMatchObject({ status: 200 })
  })

  it('is changed by its owner only', async () => {
    expect(await bob.put(`${profile}/displayname`, { displayname: 'x' })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect(await bob.delete(`${profile}/displayname`)).toMatchObject({ status: 403 })
  })

  it('refuses what the specification names', async () => {
    const put = (field: string, body: object | string) => alice.put(`${profile}/${field}`, body)
    expect(await put('displayname', { other: 'x' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
    expect(await put('displayname', { displayname: 5 })).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await put('displayname', '[]')).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await put('displayname', { displayname: 'x'.repeat(257) })).toMatchObject({
      status: 400,
      body: { errcode: 'M_TOO_LARGE' },
    })
    expect(await put('Upper', { Upper: 1 })).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
    expect(await put('__proto__', '{"__proto__":1}')).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    const long = `a.${'x'.repeat(254)}`
    expect(await put(long, { [long]: 1 })).toMatchObject({ status: 400, body: { errcode: 'M_KEY_TOO_LARGE' } })
    expect(await put('org.example.big', { 'org.example.big': 'x'.repeat(65_536) })).toMatchObject({
      status: 400,
      body: { errcode: 'M_PROFILE_TOO_LARGE' },
    })
  })

  it('of nobody is not found', async () => {
    for (const user of ['@nobody:test.example', '@alice:elsewhere.invalid']) {
      expect(await server.request('GET', `/profile/${user}`)).toMatchObject({
        status: 404,
        body: { errcode: 'M_NOT_FOUND' },
      })
    }
    expect(await server.request('GET', '/profile/nonsense')).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await server.request('GET', `${profile}/constructor`)).toMatchObject({ status: 404 })
  })

  it('that changes is written into every joined room: 25 rooms in at most 30 statements', async () => {
    const carol = await server.register('carol')
    const { roomserver } = server.app.components
    const rooms = await Promise.all(Array.from({ length: 25 }, () => makeRoom(roomserver, carol.userId)))
    const statements = await server.statements(() =>
      carol.put('/profile/@carol:test.example/displayname', { displayname: 'Carol C.' }),
    )
    expect(statements.length).toBeLessThanOrEqual(30)
    for (const room of rooms) {
      const member = await roomserver.stateEvent(room, 'm.room.member', carol.userId)
      expect(member?.content).toEqual({ membership: 'join', displayname: 'Carol C.' })
    }
  })
})
