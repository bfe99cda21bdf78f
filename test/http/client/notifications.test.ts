import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Answer, startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { ok, publicRoom, refusal, say } from './rooms-support.js'

let server: TestServer
let alice: TestUser
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
})
afterAll(() => server.stop())

const page = async (user: TestUser, query = ''): Promise<Answer['body']> =>
  (await ok(user.get(`/notifications${query}`))).body

const bodies = (answer: Answer['body']): string[] =>
  answer.notifications.map(({ event }: Answer['body']) => event.content.body)

it('what is unread is listed, the newest first, until it has been read', async () => {
  const bob = await server.register('bob')
  const room = await publicRoom(alice, [bob])
  await say(alice, room, 'one')
  await say(alice, room, 'two')
  await say(bob, room, 'my own')
  await server.settle()
  expect(bodies(await page(bob))).toEqual([])
  const third = await say(alice, room, 'three')
  const fourth = await say(alice, room, 'four')
  await server.settle()
  const { notifications, next_token } = await page(bob)
  expect(next_token).toBeUndefined()
  expect(notifications).toMatchObject([
    {
      room_id: room,
      read: false,
      actions: ['notify', { set_tweak: 'sound', value: 'default' }],
      event: { event_id: fourth, sender: alice.userId, type: 'm.room.message', content: { body: 'four' } },
    },
    { event: { event_id: third } },
  ])
  expect(notifications[0].event.room_id).toBeUndefined()
  expect(Math.abs(notifications[0].ts - Date.now())).toBeLessThan(60_000)
  await ok(bob.post(`/rooms/${room}/receipt/m.read/${encodeURIComponent(third)}`))
  expect(bodies(await page(bob))).toEqual(['four'])
})

it('pages follow one another without gap or repetition', async () => {
  const bob = await server.register('pages')
  const rooms = [await publicRoom(alice, [bob]), await publicRoom(alice, [bob])]
  for (let index = 0; index < 7; index++) await say(alice, rooms[index % 2] ?? '', `${index}`)
  await server.settle()
  const seen: string[] = []
  let from: string | undefined
  let pages = 0
  do {
    const answer = await page(bob, `?limit=3${from === undefined ? '' : `&from=${from}`}`)
    seen.push(...bodies(answer))
    from = answer.next_token
    pages++
  } while (from !== undefined)
  expect([seen, pages]).toEqual([['6', '5', '4', '3', '2', '1', '0'], 3])
})

it('only=highlight leaves out what is not one', async () => {
  const bob = await server.register('highlight')
  const room = await publicRoom(alice, [bob])
  await say(alice, room, 'plain')
  const content = { msgtype: 'm.text', body: 'you', 'm.mentions': { user_ids: [bob.userId] } }
  await ok(alice.put(`/rooms/${room}/send/m.room.message/mention`, content))
  await server.settle()
  expect(bodies(await page(bob))).toEqual(['you', 'plain'])
  expect(bodies(await page(bob, '?only=highlight'))).toEqual(['you'])
})

it('an invite is listed to whom it is for', async () => {
  const bob = await server.register('invited')
  const { body } = await ok(alice.post('/createRoom', { invite: [bob.userId] }))
  await server.settle()
  expect((await page(bob)).notifications).toMatchObject([
    { room_id: body.room_id, event: { type: 'm.room.member', state_key: bob.userId } },
  ])
})

it('a token or a limit that is none is refused', async () => {
  for (const query of ['?from=abc', '?from=-1', '?limit=0', '?limit=x', `?from=${'9'.repeat(30)}`]) {
    expect(await refusal(alice.get(`/notifications${query}`)), query).toEqual([400, 'M_INVALID_PARAM'])
  }
})
