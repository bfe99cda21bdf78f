import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoomId, UserId } from '../../src/protocol/ids.js'
import { startTestServer, type TestServer, type TestUser } from '../support/server.js'
import { message, sendPath } from './collect.js'

/** Rooms of the account with many. */
const MANY = 1_000

/**
 * Counts are exact where times are noisy: every statement, BEGIN and COMMIT and readers of the log included, until
 * nothing more happens. A rise here is a cost that every user of every server pays.
 */
describe('statements', () => {
  let server: TestServer
  let alice: TestUser
  let bob: TestUser
  beforeAll(async () => {
    server = await startTestServer()
    alice = await server.register('alice')
    bob = await server.register('bob')
  })
  afterAll(() => server.stop())

  /** What a second call costs: the first has filled the caches. */
  async function expectAtMost(most: number, action: (round: number) => Promise<{ status: number }>): Promise<void> {
    let names: string[] = []
    for (const round of [1, 2]) {
      names = await server.statements(async () => expect((await action(round)).status).toBe(200))
    }
    expect(names.length, names.join('\n')).toBeLessThanOrEqual(most)
  }

  it('one message: at most 12', async () => {
    const [roomId = ''] = await createRooms(alice, 1)
    await expectAtMost(12, (round) => alice.put(sendPath(roomId, `one${round}`), message('hello')))
  })

  it('one state event: at most 12', async () => {
    const [roomId = ''] = await createRooms(alice, 1)
    await expectAtMost(12, (round) => alice.put(`/rooms/${roomId}/state/m.room.name`, { name: `name ${round}` }))
  })

  it('a join: at most 16', async () => {
    const rooms = await createRooms(alice, 2)
    await expectAtMost(16, (round) => bob.post(`/rooms/${rooms[round - 1]}/join`))
  })

  it('a new room: at most 24', async () => {
    const room = { preset: 'private_chat', name: 'a room', topic: 'what it is about' }
    await expectAtMost(24, () => alice.post('/createRoom', room))
  })

  it('a new display name in 25 rooms: at most 30', async () => {
    const carol = await server.register('carol')
    await createRooms(carol, 25)
    await expectAtMost(30, (round) =>
      carol.put(`/profile/${carol.userId}/displayname`, { displayname: `Carol ${round}` }),
    )
  })

  it('batches of 1, 10 and 100 events in as many rooms: at most 16 each', async () => {
    const dora = await server.register('dora')
    const rooms = await createRooms(dora, 100)
    const { roomserver } = server.app.components
    for (const count of [1, 10, 100]) {
      const drafts = rooms.slice(0, count).map((roomId) => ({
        roomId: roomId as RoomId,
        sender: dora.userId as UserId,
        type: 'm.room.message',
        content: { msgtype: 'm.text', body: `one of ${count}` },
      }))
      const names = await server.statements(async () => {
        const sent = await roomserver.sendAll(drafts)
        expect(sent.filter(({ status }) => status !== 'fulfilled')).toEqual([])
      })
      expect(names.length, names.join('\n')).toBeLessThanOrEqual(16)
    }
  })

  it('/sync without news: none', async () => {
    const erik = await server.register('erik')
    await createRooms(erik, 3)
    let since = await firstSync(erik)
    const sync = async () => {
      const { status, body } = await erik.get(`/sync?since=${since}&timeout=0`)
      expect(status).toBe(200)
      since = body.next_batch
    }
    await sync()
    expect(await server.statements(sync)).toEqual([])
  })

  it('an initial /sync: the same number for 10 rooms as for 300', async () => {
    const accounts: (readonly [TestUser, number])[] = []
    for (const [name, count] of [
      ['ten', 10],
      ['threehundred', 300],
    ] as const) {
      const user = await server.register(name)
      await createRooms(user, count)
      accounts.push([user, count])
    }
    const sent: string[][] = []
    for (const [user, count] of accounts) {
      // Both with nothing in memory: rooms that were just made are there, as far as they have room.
      await server.restart()
      const names = await server.statements(async () => {
        const { body } = await user.get('/sync?timeout=0')
        expect(Object.keys(body.rooms.join)).toHaveLength(count)
      })
      sent.push(names.toSorted())
    }
    expect(sent[1]).toEqual(sent[0])
  }, 30_000)

  describe('an account in 1,000 rooms', () => {
    let many: TestUser
    let rooms: string[]
    beforeAll(async () => {
      many = await server.register('many')
      rooms = await createRooms(many, MANY)
      await bob.post(`/rooms/${rooms[500]}/join`)
    }, 60_000)

    it('/sync with one event in one of them: at most 8', async () => {
      let since = await firstSync(many)
      for (const round of [1, 2]) {
        await bob.put(sendPath(rooms[500] ?? '', `news${round}`), message('news'))
        const names = await server.statements(async () => {
          const { body } = await many.get(`/sync?since=${since}&timeout=1000`)
          expect(Object.keys(body.rooms.join)).toEqual([rooms[500]])
          since = body.next_batch
        })
        if (round === 2) expect(names.length, names.join('\n')).toBeLessThanOrEqual(8)
      }
    })

    it('the first incremental /sync after a restart: at most 20', async () => {
      const since = await firstSync(many)
      await bob.put(sendPath(rooms[500] ?? '', 'before-restart'), message('news'))
      await server.restart()
      const names = await server.statements(async () => {
        const { body } = await many.get(`/sync?since=${since}&timeout=1000`)
        expect(Object.keys(body.rooms.join)).toEqual([rooms[500]])
      })
      expect(names.length, names.join('\n')).toBeLessThanOrEqual(20)
    }, 30_000)
  })

  async function firstSync(user: TestUser): Promise<string> {
    return (await user.get('/sync?timeout=0')).body.next_batch
  }

  /** With as few events as a room can have: it is the number of rooms that matters. */
  async function createRooms(user: TestUser, count: number): Promise<string[]> {
    const { roomserver } = server.app.components
    const sender = user.userId as UserId
    const events = [
      { sender, type: 'm.room.member', stateKey: sender, content: { membership: 'join' } },
      { sender, type: 'm.room.power_levels', stateKey: '', content: {} },
      { sender, type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
    ]
    const room = { creator: sender, version: '12', creationContent: {}, events }
    const made = await Promise.all(Array.from({ length: count }, () => roomserver.createRoom(room)))
    return made.map(({ roomId }) => roomId)
  }
})
