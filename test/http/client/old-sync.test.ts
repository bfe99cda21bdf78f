import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let mallory: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  mallory = await server.register('mallory')
})
afterAll(() => server.stop())

const idsOf = (events: { event_id: string }[]) => events.map(({ event_id }) => event_id)
const typesOf = (events: { type: string }[]) => events.map(({ type }) => type)

describe('the initial sync of a room', () => {
  test('has its newest messages, state, presence and receipts', async () => {
    const roomId = await publicRoom(alice, [bob], { visibility: 'public' })
    await ok(alice.put(`/presence/${alice.userId}/status`, { presence: 'online', status_msg: 'here' }))
    await ok(alice.put(`/user/${alice.userId}/rooms/${roomId}/tags/m.favourite`, {}))
    const sent = [await say(alice, roomId, 'one'), await say(bob, roomId, 'two')]
    await ok(alice.post(`/rooms/${roomId}/receipt/m.read/${sent[1]}`))
    const { body } = await ok(alice.get(`/rooms/${roomId}/initialSync?limit=2`))
    expect(body).toMatchObject({ room_id: roomId, membership: 'join', visibility: 'public' })
    expect(idsOf(body.messages.chunk)).toEqual(sent)
    expect(typesOf(body.state)).toContain('m.room.create')
    expect(body.account_data).toEqual([{ type: 'm.tag', content: { tags: { 'm.favourite': {} } } }])
    const own = body.presence.find((one: { content: { user_id: string } }) => one.content.user_id === alice.userId)
    expect(own).toMatchObject({ type: 'm.presence', content: { presence: 'online', status_msg: 'here' } })
    expect(body.receipts[0].content[sent[1] ?? '']['m.read'][alice.userId].ts).toBeGreaterThan(0)
    const earlier = await ok(alice.get(`/rooms/${roomId}/messages?dir=b&limit=1&from=${body.messages.start}`))
    expect(idsOf(earlier.body.chunk)).not.toContain(sent[0])
    expect((await ok(alice.get(`/rooms/${roomId}/initialSync?limit=0`))).body.messages.chunk).toEqual([])
  })

  test('SECURITY 58: ends for those who left where they left, and is not for outsiders', async () => {
    const roomId = await publicRoom(alice, [bob])
    const seen = await say(alice, roomId, 'seen')
    await ok(bob.post(`/rooms/${roomId}/leave`))
    await say(alice, roomId, 'unseen')
    await ok(setState(alice, roomId, 'm.room.topic', { topic: 'unseen' }))
    const { body } = await ok(bob.get(`/rooms/${roomId}/initialSync`))
    expect(body.membership).toBe('leave')
    expect(idsOf(body.messages.chunk)).toContain(seen)
    expect(JSON.stringify(body)).not.toContain('unseen')
    expect(await refusal(mallory.get(`/rooms/${roomId}/initialSync`))).toEqual([403, 'M_FORBIDDEN'])
    await ok(setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' }))
    expect((await ok(mallory.get(`/rooms/${roomId}/initialSync`))).body.membership).toBeUndefined()
  })
})

describe('the initial sync', () => {
  test('has the rooms that the user is in or invited to, and those left where asked for', async () => {
    const carol = await server.register('carol')
    const joined = await publicRoom(alice, [carol])
    const left = await publicRoom(alice, [carol])
    await ok(carol.post(`/rooms/${left}/leave`))
    const invited = await createRoom(alice, { preset: 'private_chat', invite: [carol.userId] })
    await ok(carol.put(`/user/${carol.userId}/account_data/org.example`, { a: 1 }))
    const { body } = await ok(carol.get('/initialSync?limit=1'))
    const rooms = new Map(body.rooms.map((room: { room_id: string }) => [room.room_id, room]))
    expect([...rooms.keys()].sort()).toEqual([joined, invited].sort())
    expect(rooms.get(invited)).toMatchObject({ membership: 'invite', inviter: alice.userId })
    expect(rooms.get(joined)).toMatchObject({ membership: 'join', messages: { chunk: [{}] } })
    expect(body.account_data).toContainEqual({ type: 'org.example', content: { a: 1 } })
    expect(body.end).toMatch(/^s\d+$/)
    const all = (await ok(carol.get('/initialSync?archived=true'))).body.rooms
    expect(all.map(({ room_id }: { room_id: string }) => room_id).sort()).toEqual([joined, invited, left].sort())
  })

  test('is followed by a stream that wakes when something happens', async () => {
    const roomId = await publicRoom(alice, [bob])
    const { end } = (await ok(bob.get('/initialSync?limit=0'))).body
    const nothing = (await ok(bob.get(`/events?from=${end}&timeout=0`))).body
    expect(nothing.chunk.filter(({ type }: { type: string }) => type !== 'm.presence')).toEqual([])
    const waiting = bob.get(`/events?from=${nothing.end}&timeout=20000`)
    const eventId = await say(alice, roomId, 'news')
    let answer = (await ok(waiting)).body
    const seen: string[] = [...idsOf(answer.chunk)]
    for (let tries = 0; !seen.includes(eventId) && tries < 5; tries++) {
      answer = (await ok(bob.get(`/events?from=${answer.end}&timeout=20000`))).body
      seen.push(...idsOf(answer.chunk))
    }
    expect(seen).toContain(eventId)
    await ok(alice.put(`/rooms/${roomId}/typing/${alice.userId}`, { typing: true, timeout: 20_000 }))
    const typing = (await ok(bob.get(`/events?from=${answer.end}&timeout=20000`))).body.chunk
    expect(typing).toContainEqual({ type: 'm.typing', room_id: roomId, content: { user_ids: [alice.userId] } })
  })

  test('tells of an invite, and of a room left', async () => {
    const dave = await server.register('dave')
    const { end } = (await ok(dave.get('/initialSync'))).body
    const roomId = await createRoom(alice, { preset: 'private_chat', invite: [dave.userId] })
    const own = (chunk: { type: string; content: { membership?: string } }[]) =>
      chunk.filter(({ type }) => type === 'm.room.member').map(({ content }) => content.membership)
    await server.settle()
    const invited = (await ok(dave.get(`/events?from=${end}&timeout=0`))).body
    expect(own(invited.chunk)).toEqual(['invite'])
    await ok(dave.post(`/rooms/${roomId}/leave`))
    await server.settle()
    expect(own((await ok(dave.get(`/events?from=${invited.end}&timeout=0`))).body.chunk)).toEqual(['leave'])
  })
})

describe('the stream of one room', () => {
  test('is for those who may look into it, guests too', async () => {
    const roomId = await publicRoom(alice)
    const events = (user: TestUser, query: string) => user.get(`/events?timeout=0&room_id=${roomId}${query}`)
    expect(await refusal(events(mallory, ''))).toEqual([403, 'M_FORBIDDEN'])
    await ok(setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' }))
    const { end } = (await ok(events(mallory, ''))).body
    const eventId = await say(alice, roomId, 'open')
    await server.settle()
    expect(idsOf((await ok(events(mallory, `&from=${end}`))).body.chunk)).toEqual([eventId])
    expect(await refusal(events(mallory, '&from=x'))).toEqual([400, 'M_INVALID_PARAM'])
  })
})

test('one event is read by its id alone by those who may see it', async () => {
  const roomId = await publicRoom(alice)
  const eventId = await say(alice, roomId, 'one')
  expect((await ok(alice.get(`/events/${eventId}`))).body).toMatchObject({ event_id: eventId, room_id: roomId })
  expect(await refusal(mallory.get(`/events/${eventId}`))).toEqual([404, 'M_NOT_FOUND'])
})
