import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoomId, UserId } from '../../../../src/protocol/ids.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import {
  ALICE,
  edit,
  idsOf,
  member,
  message,
  now,
  present,
  publicRoom,
  type Reading,
  startReading,
  state,
  stateIds,
  user,
} from './support.js'

let db: TestDatabase

beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.close())

const USERS = Array.from({ length: 6 }, (_, index) => user(`user${index}`))

/** Everything that is kept in memory, asked for at once. */
async function everything({ state, history }: Reading, roomIds: readonly RoomId[], upTo: number) {
  const newest = await history.newest(roomIds.map((roomId) => ({ roomId, after: 0, upTo, limit: 30 })))
  const timelines = [...newest.values()].map(({ events }) => events)
  const current = await state.currentState(roomIds)
  const past = await state.stateAtPosition(roomIds.map((roomId) => ({ roomId, position: upTo - 20 })))
  return {
    timelines: timelines.map(idsOf),
    current: roomIds.map((roomId) => stateIds(current.get(roomId))),
    past: roomIds.map((roomId) => stateIds(past.get(roomId))),
    memberships: await Promise.all(USERS.map((userId) => state.memberships(userId))),
    joined: await Promise.all(roomIds.map(async (roomId) => [...(await state.localJoinedMembers(roomId))].sort())),
    servers: await Promise.all(roomIds.map((roomId) => state.joinedServers(roomId))),
    summaries: await state.summaries(roomIds, ALICE),
    visible: await Promise.all(USERS.map(async (userId) => idsOf(await history.visibleTo(userId, timelines.flat())))),
    shown: await Promise.all(
      USERS.map((userId) => history.present(timelines.flat(), { userId, deviceId: 'D' }, { now: 0 })),
    ),
  }
}

async function change(reading: Reading, roomId: RoomId, who: UserId): Promise<void> {
  const membership = (await reading.state.membership(roomId, who))?.membership
  const drafts = [
    member(roomId, who, membership === 'join' ? 'leave' : 'join'),
    { ...member(roomId, who, 'join'), content: { membership: 'join', displayname: `${randomInt(1_000)}` } },
    message(roomId, who, 'hello'),
    state(roomId, ALICE, 'm.room.topic', { topic: `${randomInt(1_000)}` }),
    state(roomId, ALICE, 'm.room.history_visibility', {
      history_visibility: ['shared', 'joined', 'invited', 'world_readable'][randomInt(4)] ?? 'shared',
    }),
  ]
  const draft = present(drafts[randomInt(drafts.length)])
  // Somebody who is not joined is refused: that is part of the game.
  const [outcome] = await reading.rooms.sendAll([draft])
  if (outcome?.status !== 'fulfilled' || draft.type !== 'm.room.message') return
  await reading.rooms.sendAll([
    edit(roomId, who, outcome.value.eventId),
    ...(randomInt(3) === 0
      ? [{ roomId, sender: ALICE, type: 'm.room.redaction', content: {}, redacts: outcome.value.eventId }]
      : []),
  ])
}

describe('what is kept in memory', () => {
  it.each([
    ['ample', 64_000_000],
    ['scarce', 60_000],
  ])(
    'is what the store says, after changes and reads that run into one another: %s memory',
    async (_name, cacheBytes) => {
      const reading = await startReading(db.database, { cacheBytes })
      const rooms = await Promise.all([0, 1, 2].map(() => reading.rooms.createRoom(publicRoom(ALICE))))
      const roomIds = rooms.map(({ roomId }) => roomId)
      await everything(reading, roomIds, await now(reading))
      for (let round = 0; round < 6; round++) {
        const changes = roomIds.flatMap((roomId) => USERS.map((who) => change(reading, roomId, who)))
        const reads = Array.from({ length: 4 }, () => everything(reading, roomIds, reading.clock.visible))
        await Promise.all([...changes, ...reads])
        const upTo = await now(reading)
        const cold = await startReading(db.database)
        expect(await everything(reading, roomIds, upTo)).toEqual(await everything(cold, roomIds, upTo))
        await cold.rooms.stop()
      }
      await reading.rooms.stop()
    },
    30_000,
  )
})
