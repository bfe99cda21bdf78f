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

const room = '!room:test.example'
const own = (rest: string) => `/user/@alice:test.example/${rest}`

describe('account data', () => {
  it('comes back exactly as it was sent', async () => {
    const text = '{"z":1.0,"a":9007199254740993,"nul":"\\u0000","__proto__":{"x":1}}'
    expect(await alice.put(own('account_data/org.x%2Fy'), text)).toMatchObject({ status: 200, body: {} })
    const answer = await fetch(`${server.url}/_matrix/client/v3${own('account_data/org.x%2Fy')}`, {
      headers: { authorization: `Bearer ${alice.token}` },
    })
    expect(await answer.text()).toBe(text)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await alice.put(own(`rooms/${room}/account_data/org.x`), { in: 'room' })).toMatchObject({ status: 200 })
    expect((await alice.get(own(`rooms/${room}/account_data/org.x`))).body).toEqual({ in: 'room' })
  })

  it('belongs to its user', async () => {
    const refused = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
    expect(await bob.get(own('account_data/org.x'))).toMatchObject(refused)
    expect(await bob.put(own('account_data/org.x'), {})).toMatchObject(refused)
    expect(await bob.get(own(`rooms/${room}/tags`))).toMatchObject(refused)
    expect(await bob.post(own('filter'), {})).toMatchObject(refused)
  })

  it('that is not there is M_NOT_FOUND; what is malformed says how', async () => {
    expect(await alice.get(own('account_data/org.none'))).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    })
    expect(await alice.put(own('account_data/org.x'), '[]')).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await alice.put(own('account_data/org.x'), '{')).toMatchObject({
      status: 400,
      body: { errcode: 'M_NOT_JSON' },
    })
    expect(await alice.put(own('rooms/nonsense/account_data/org.x'), {})).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await alice.put(own(`account_data/${'x'.repeat(256)}`), {})).toMatchObject({ status: 400 })
    expect(await alice.put(own('account_data/org.x'), { x: 'x'.repeat(300_000) })).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    })
  })

  it('that the server keeps cannot be written here', async () => {
    for (const path of [
      'account_data/m.push_rules',
      'account_data/m.fully_read',
      `rooms/${room}/account_data/m.fully_read`,
    ]) {
      expect(await alice.put(own(path), {})).toMatchObject({ status: 405, body: { errcode: 'M_BAD_JSON' } })
    }
    expect((await alice.get(own('account_data/m.push_rules'))).body).toHaveProperty('global')
  })
})

describe('tags', () => {
  it('are added, listed and removed, each by itself', async () => {
    expect((await alice.get(own(`rooms/${room}/tags`))).body).toEqual({ tags: {} })
    await Promise.all([
      alice.put(own(`rooms/${room}/tags/m.favourite`), { order: 0.25 }),
      alice.put(own(`rooms/${room}/tags/u.work`), {}),
      alice.put(own(`rooms/${room}/tags/__proto__`), {}),
    ])
    const { tags } = (await alice.get(own(`rooms/${room}/tags`))).body
    expect(Object.keys(tags).sort()).toEqual(['__proto__', 'm.favourite', 'u.work'])
    expect(tags['m.favourite']).toEqual({ order: 0.25 })
    expect(await alice.delete(own(`rooms/${room}/tags/u.work`))).toMatchObject({ status: 200, body: {} })
    expect(await alice.delete(own(`rooms/${room}/tags/u.none`))).toMatchObject({ status: 200, body: {} })
    expect((await alice.get(own(`rooms/${room}/account_data/m.tag`))).body.tags).not.toHaveProperty('u.work')
  })

  it('have a numeric order and at most 255 bytes', async () => {
    expect(await alice.put(own(`rooms/${room}/tags/u.x`), { order: 'first' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await alice.put(own(`rooms/${room}/tags/u.${'x'.repeat(254)}`), {})).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
  })
})

describe('filters', () => {
  it('come back as they were sent, and the same one has the same id', async () => {
    const filter = {
      room: { timeline: { limit: 10, types: ['m.room.message'] }, state: { lazy_load_members: true } },
      x: 1,
    }
    const [first, second] = [await alice.post(own('filter'), filter), await alice.post(own('filter'), filter)]
    expect(first).toMatchObject({ status: 200, body: { filter_id: expect.any(String) } })
    expect(second.body).toEqual(first.body)
    expect((await alice.get(own(`filter/${first.body.filter_id}`))).body).toEqual(filter)
    expect(await alice.get(own('filter/999'))).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect(await bob.get(`/user/@bob:test.example/filter/${first.body.filter_id}`)).toMatchObject({ status: 404 })
  })

  it('of the wrong shape are M_BAD_JSON', async () => {
    for (const filter of [
      { room: 'x' },
      { room: { timeline: 'x' } },
      { room: { timeline: { limit: -1 } } },
      { room: { timeline: { limit: '5' } } },
      { room: { state: { lazy_load_members: 'true' } } },
      { room: { state: { include_redundant_members: 1 } } },
      { presence: { not_senders: '@a:b' } },
      { event_fields: [5] },
      { event_format: 'other' },
    ]) {
      expect(await alice.post(own('filter'), filter), JSON.stringify(filter)).toMatchObject({
        status: 400,
        body: { errcode: 'M_BAD_JSON' },
      })
    }
  })
})
