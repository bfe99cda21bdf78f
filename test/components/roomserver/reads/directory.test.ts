import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoomAlias, RoomId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  BOB,
  CAROL,
  counted,
  member,
  publicRoom,
  type Reading,
  sendEach,
  startReading,
  state,
  visibility,
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

async function newRoom(creationContent = {}): Promise<RoomId> {
  return (await warm.rooms.createRoom({ ...publicRoom(ALICE), creationContent })).roomId
}

describe('aliases', () => {
  it('belong to one room, until they are removed', async () => {
    const [one, two] = [await newRoom(), await newRoom()]
    const alias = '#name:one.test' as RoomAlias
    await warm.directory.createAlias(alias, one, ALICE)
    await expect(warm.directory.createAlias(alias, two, BOB)).rejects.toMatchObject({
      errcode: 'M_UNKNOWN',
      status: 409,
    })
    expect(await warm.directory.alias(alias)).toEqual({ roomId: one, creator: ALICE })
    await warm.directory.createAlias('#other:one.test' as RoomAlias, one, ALICE)
    expect(await warm.directory.aliasesOf(one)).toEqual([alias, '#other:one.test'])
    await warm.directory.removeAlias(alias)
    expect(await warm.directory.alias(alias)).toBeUndefined()
    await warm.directory.createAlias(alias, two, BOB)
    expect(await warm.directory.alias(alias)).toEqual({ roomId: two, creator: BOB })
  })
})

describe('the room directory', () => {
  it('shows what the state of a room says', async () => {
    const roomId = await newRoom({ type: 'm.space' })
    expect(await warm.directory.isPublished(roomId)).toBe(false)
    await warm.directory.setPublished(roomId, true)
    await warm.directory.setPublished(roomId, true)
    expect(await warm.directory.isPublished(roomId)).toBe(true)
    await sendEach(warm, [
      state(roomId, ALICE, 'm.room.name', { name: 'A Space' }),
      state(roomId, ALICE, 'm.room.topic', { topic: 'All of it' }),
      state(roomId, ALICE, 'm.room.canonical_alias', { alias: '#space:one.test' }),
      state(roomId, ALICE, 'm.room.avatar', { url: 'mxc://one.test/a' }),
      state(roomId, ALICE, 'm.room.guest_access', { guest_access: 'can_join' }),
      state(roomId, ALICE, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }),
      visibility(roomId, ALICE, 'world_readable'),
      member(roomId, BOB, 'join'),
    ])
    const { rooms, total } = await warm.directory.publicRooms({ limit: 10 })
    expect(total).toBe(1)
    expect(rooms).toEqual([
      {
        roomId,
        name: 'A Space',
        topic: 'All of it',
        canonicalAlias: '#space:one.test',
        avatarUrl: 'mxc://one.test/a',
        joinRule: 'public',
        roomType: 'm.space',
        worldReadable: true,
        guestCanJoin: true,
        encryption: 'm.megolm.v1.aes-sha2',
        joinedMembers: 2,
        roomVersion: '10',
      },
    ])
    await warm.rooms.send(state(roomId, ALICE, 'm.room.name', { name: { not: 'text' } }))
    expect((await warm.directory.publicRooms({ limit: 10 })).rooms[0]?.name).toBeUndefined()
    await warm.directory.setPublished(roomId, false)
    expect((await warm.directory.publicRooms({ limit: 10 })).rooms).toEqual([])
  })

  it('is searched without regard to case, by type, and in pages, biggest rooms first', async () => {
    const published: RoomId[] = []
    for (const [index, name] of ['ÄPFEL', 'Birnen', 'apfelmus', 'Äpfel und Birnen', 'x%_y'].entries()) {
      const roomId = await newRoom(index === 3 ? { type: 'm.space' } : {})
      await warm.rooms.send(state(roomId, ALICE, 'm.room.name', { name }))
      await warm.directory.setPublished(roomId, true)
      published.push(roomId)
    }
    const [apples, , sauce, both, odd] = published
    for (const roomId of [both, both, apples]) {
      const joiner = roomId === both && (await warm.state.membership(roomId as RoomId, BOB)) !== undefined ? CAROL : BOB
      await warm.rooms.send(member(roomId as RoomId, joiner, 'join'))
    }
    const find = async (request: Partial<Parameters<Reading['directory']['publicRooms']>[0]>) => {
      const { rooms } = await warm.directory.publicRooms({ limit: 10, ...request })
      return rooms.map(({ roomId }) => roomId)
    }
    expect(await find({ search: 'äpfel' })).toEqual([both, apples])
    expect(await find({ search: 'APFELMUS' })).toEqual([sauce])
    expect(await find({ search: '%_' })).toEqual([odd])
    expect(await find({ roomTypes: ['m.space'] })).toEqual([both])
    expect(await find({ roomTypes: [null], search: 'birnen' })).toEqual([published[1]])
    expect((await find({ roomTypes: [null, 'm.space'] })).length).toBe(5)

    const all = await find({})
    expect(all.slice(0, 2)).toEqual([both, apples])
    const seen: RoomId[] = []
    let since: string | undefined
    let previous: string | undefined
    do {
      const page = await warm.directory.publicRooms({ limit: 2, ...(since !== undefined && { since }) })
      expect(page.total).toBe(5)
      expect(page.prev === undefined).toBe(since === undefined)
      seen.push(...page.rooms.map(({ roomId }) => roomId))
      previous = page.prev
      since = page.next
    } while (since !== undefined)
    expect(seen).toEqual(all)
    const back = await warm.directory.publicRooms({ limit: 2, ...(previous !== undefined && { since: previous }) })
    expect(back.rooms.map(({ roomId }) => roomId)).toEqual(all.slice(2, 4))
    await expect(find({ since: 'nonsense' })).rejects.toMatchObject({ errcode: 'M_INVALID_PARAM' })
    const { statements } = await counted(db.database, () => find({ search: 'äpfel' }))
    expect(statements).toHaveLength(1)
  })
})
