import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoomId, UserId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  counted,
  member,
  message,
  publicRoom,
  type Reading,
  SERVER,
  sendEach,
  startReading,
  state,
  user,
} from './support.js'

let db: TestDatabase
let warm: Reading

beforeAll(async () => {
  db = await createTestDatabase()
  warm = await startReading(db.database)
})
afterAll(async () => {
  await warm.rooms.stop()
  await db.close()
})

async function newRoom(creator: UserId = ALICE): Promise<RoomId> {
  return (await warm.rooms.createRoom(publicRoom(creator))).roomId
}

/** The same question to a process that has nothing in memory. */
async function cold<T>(ask: (reading: Reading) => Promise<T>): Promise<T> {
  const reading = await startReading(db.database)
  const answer = await ask(reading)
  await reading.rooms.stop()
  return answer
}

describe('memberships of a user', () => {
  it('are in memory, follow every change, and are what the store says', async () => {
    const dave = user('dave')
    const roomId = await newRoom()
    await warm.state.memberships(dave)
    for (const [draft, expected] of [
      [member(roomId, ALICE, 'invite', dave), 'invite'],
      [member(roomId, dave, 'join'), 'join'],
      [
        { ...member(roomId, dave, 'join'), content: { membership: 'join', displayname: 'D', avatar_url: 'mxc://a/b' } },
        'join',
      ],
      [member(roomId, ALICE, 'leave', dave), 'leave'],
      [member(roomId, ALICE, 'ban', dave), 'ban'],
    ] as const) {
      const { eventId } = await warm.rooms.send(draft)
      const own = await warm.state.memberships(dave)
      expect(own.get(roomId)).toMatchObject({ membership: expected, eventId, sender: draft.sender })
      expect(own).toEqual(await cold(({ state }) => state.memberships(dave)))
      expect(await warm.state.membership(roomId, dave)).toEqual(own.get(roomId))
    }
    const { statements } = await counted(db.database, () => warm.state.memberships(dave))
    expect(statements).toEqual([])
  })

  it('begin when somebody joins, not when they change their name', async () => {
    const dora = user('dora')
    const roomId = await newRoom()
    const joined = await warm.rooms.send(member(roomId, dora, 'join'))
    await warm.rooms.send({ ...member(roomId, dora, 'join'), content: { membership: 'join', displayname: 'Dora' } })
    for (const own of [await warm.state.memberships(dora), await cold(({ state }) => state.memberships(dora))]) {
      expect(own.get(roomId)).toMatchObject({ position: joined.position, displayName: 'Dora' })
    }
  })

  it('of an invite come with stripped state', async () => {
    const erin = user('erin')
    const roomId = await newRoom()
    await warm.state.memberships(erin)
    await warm.rooms.send(member(roomId, ALICE, 'invite', erin))
    const invite = (await warm.state.memberships(erin)).get(roomId)
    const stripped = JSON.parse(invite?.strippedState ?? '[]') as { type: string }[]
    expect(stripped.map(({ type }) => type)).toContain('m.room.join_rules')
  })

  it('say when the room was forgotten, until the user comes back', async () => {
    const fred = user('fred')
    const roomId = await newRoom()
    await sendEach(warm, [member(roomId, fred, 'join'), member(roomId, fred, 'leave')])
    expect((await warm.state.memberships(fred)).get(roomId)?.forgotten).toBe(false)
    await warm.rooms.forget(roomId, fred)
    expect((await warm.state.memberships(fred)).get(roomId)?.forgotten).toBe(true)
    await warm.rooms.send(member(roomId, fred, 'join'))
    expect((await warm.state.memberships(fred)).get(roomId)).toMatchObject({ forgotten: false, membership: 'join' })
  })

  it('lose a name with the member event that gave it', async () => {
    const gina = user('gina')
    const roomId = await newRoom()
    const content = { membership: 'join', displayname: 'Rude' }
    const named = await warm.rooms.send({ ...member(roomId, gina, 'join'), content })
    expect((await warm.state.memberships(gina)).get(roomId)?.displayName).toBe('Rude')
    await warm.rooms.send({ roomId, sender: ALICE, type: 'm.room.redaction', content: {}, redacts: named.eventId })
    expect((await warm.state.memberships(gina)).get(roomId)?.displayName).toBeUndefined()
  })
})

describe('members of rooms', () => {
  it('come with one statement for all rooms, all of them or those asked for', async () => {
    const roomIds = [await newRoom(), await newRoom()]
    for (const roomId of roomIds) {
      await sendEach(warm, [
        member(roomId, BOB, 'join'),
        member(roomId, ALICE, 'invite', CAROL),
        member(roomId, BOB, 'leave'),
      ])
    }
    const { result, statements } = await counted(db.database, () => warm.state.members(roomIds))
    expect(statements).toHaveLength(1)
    const present = await warm.state.members(roomIds, ['join', 'invite'])
    for (const roomId of roomIds) {
      expect(result.get(roomId)?.map(({ userId, membership }) => [userId, membership])).toEqual([
        [ALICE, 'join'],
        [CAROL, 'invite'],
        [BOB, 'leave'],
      ])
      expect(present.get(roomId)?.map(({ userId }) => userId)).toEqual([ALICE, CAROL])
    }
  })

  it('of this server are known by heart, and so are the servers', async () => {
    const roomId = await newRoom()
    expect(await warm.state.localJoinedMembers(roomId)).toEqual([ALICE])
    expect([...(await warm.state.joinedServers(roomId))]).toEqual([SERVER])
    await sendEach(warm, [member(roomId, BOB, 'join'), member(roomId, CAROL, 'join'), member(roomId, BOB, 'leave')])
    const { result, statements } = await counted(db.database, () => warm.state.localJoinedMembers(roomId))
    expect([...result].sort()).toEqual([ALICE, CAROL])
    expect(statements).toEqual([])
  })
})

describe('summaries', () => {
  it('name the first five others who are there', async () => {
    const roomId = await newRoom()
    const others = Array.from({ length: 7 }, (_, index) => user(`hero${index}`))
    for (const other of others.slice(0, 6)) await warm.rooms.send(member(roomId, other, 'join'))
    await warm.rooms.send(member(roomId, ALICE, 'invite', others[6]))
    const summaries = await warm.state.summaries([roomId], ALICE)
    expect(summaries.get(roomId)).toEqual({
      roomId,
      joinedMembers: 7,
      invitedMembers: 1,
      heroes: others.slice(0, 5),
    })
    const bobs = await counted(db.database, () => warm.state.summaries([roomId], others[0] as UserId))
    expect(bobs.result.get(roomId)?.heroes).toEqual([ALICE, ...others.slice(1, 5)])
    expect(bobs.statements).toEqual([])
  })

  it('name those who are gone when nobody else is there', async () => {
    const roomId = await newRoom()
    await sendEach(warm, [
      member(roomId, BOB, 'join'),
      member(roomId, CAROL, 'join'),
      member(roomId, BOB, 'leave'),
      member(roomId, ALICE, 'ban', CAROL),
    ])
    const summaries = await warm.state.summaries([roomId], ALICE)
    expect(summaries.get(roomId)).toMatchObject({ joinedMembers: 1, invitedMembers: 0, heroes: [BOB, CAROL] })
  })

  it('follow every coming and going, and take one statement for many rooms', async () => {
    const roomIds = [await newRoom(), await newRoom(), await newRoom()]
    await warm.state.summaries(roomIds, ALICE)
    for (const roomId of roomIds) await warm.rooms.send(member(roomId, BOB, 'join'))
    const { result, statements } = await counted(db.database, () => warm.state.summaries(roomIds, ALICE))
    expect(statements).toHaveLength(1)
    for (const roomId of roomIds) expect(result.get(roomId)).toMatchObject({ joinedMembers: 2, heroes: [BOB] })
    await warm.rooms.send(message(roomIds[0] as RoomId, BOB, 'nothing about members'))
    expect((await counted(db.database, () => warm.state.summaries(roomIds, ALICE))).statements).toEqual([])
  })
})

describe('sharing a room', () => {
  it('is told of all users, of some, and of encrypted rooms, with one statement', async () => {
    const [ines, jack, kate, liam] = ['ines', 'jack', 'kate', 'liam'].map((name) => user(name)) as [
      UserId,
      UserId,
      UserId,
      UserId,
    ]
    const plain = await newRoom(ines)
    const secret = await newRoom(ines)
    await sendEach(warm, [
      member(plain, jack, 'join'),
      member(secret, kate, 'join'),
      member(plain, liam, 'join'),
      member(plain, liam, 'leave'),
      state(secret, ines, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }),
    ])
    const { result, statements } = await counted(db.database, () => warm.state.usersSharingRoomWith(ines))
    expect(result).toEqual(new Set([ines, jack, kate]))
    expect(statements).toHaveLength(1)
    expect(await warm.state.usersSharingRoomWith(ines, { onlyEncrypted: true })).toEqual(new Set([ines, kate]))
    expect(await warm.state.sharesRoomWith(ines, [jack, liam, BOB])).toEqual(new Set([jack]))
    expect(await warm.state.usersSharingRoomWith(liam)).toEqual(new Set())
  })
})
