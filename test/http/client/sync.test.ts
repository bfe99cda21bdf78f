import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
})
afterAll(() => server.stop())

describe('GET /sync', () => {
  it('wants a token, and takes r0 as well', async () => {
    expect((await server.request('GET', '/sync')).body.errcode).toBe('M_MISSING_TOKEN')
    expect((await alice.get('/_matrix/client/r0/sync')).status).toBe(200)
  })

  it('refuses parameters that are none', async () => {
    for (const query of ['timeout=soon', 'full_state=yes', 'set_presence=asleep', 'use_state_after=1', 'since=1']) {
      const { status, body } = await alice.get(`/sync?${query}`)
      expect([query, status, body.errcode]).toEqual([query, 400, 'M_INVALID_PARAM'])
    }
  })

  it('makes the user online unless told otherwise', async () => {
    const bob = await server.register('bob')
    await bob.get('/sync?set_presence=offline')
    expect((await bob.get(`/presence/${bob.userId}/status`)).body.presence ?? 'offline').toBe('offline')
    await bob.get('/sync')
    expect((await bob.get(`/presence/${bob.userId}/status`)).body.presence).toBe('online')
  })

  it('long polls are answered at once when the server stops', async () => {
    const other = await startTestServer()
    const carol = await other.register('carol')
    const { next_batch } = (await carol.get('/sync')).body
    const poll = carol.get(`/sync?since=${next_batch}&timeout=60000`)
    await other.settle()
    const [answer] = await Promise.all([poll, other.stop()])
    expect(answer.status).toBe(200)
    expect(answer.body.next_batch).toMatch(/^s\d+$/)
  })

  it('its tokens page back through a room', async () => {
    const { room_id } = (await alice.post('/createRoom', { preset: 'public_chat' })).body
    for (let index = 0; index < 5; index++) {
      await alice.put(`/rooms/${room_id}/send/m.room.message/t${index}`, { msgtype: 'm.text', body: `m${index}` })
    }
    const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 2 } } }))
    const { next_batch, rooms } = (await alice.get(`/sync?filter=${filter}`)).body
    const { timeline } = rooms.join[room_id]
    const bodies = async (from: string) => {
      const { body } = await alice.get(`/rooms/${room_id}/messages?dir=b&limit=3&from=${from}`)
      return body.chunk.map((event: { content: { body: string } }) => event.content.body)
    }
    expect(await bodies(timeline.prev_batch)).toEqual(['m2', 'm1', 'm0'])
    expect(await bodies(next_batch)).toEqual(['m4', 'm3', 'm2'])
  })

  it('paging back from the beginning of a room finds its creation and then the end', async () => {
    const { room_id } = (await alice.post('/createRoom')).body
    const { timeline } = (await alice.get('/sync')).body.rooms.join[room_id]
    expect(timeline.events[0].type).toBe('m.room.create')
    const back = (await alice.get(`/rooms/${room_id}/messages?dir=b&from=${timeline.prev_batch}`)).body
    expect(back.chunk.map(({ type }: { type: string }) => type)).toEqual(['m.room.create'])
    const end = (await alice.get(`/rooms/${room_id}/messages?dir=b&from=${back.end}`)).body
    expect(end.chunk).toEqual([])
    expect(end).not.toHaveProperty('end')
  })
})
