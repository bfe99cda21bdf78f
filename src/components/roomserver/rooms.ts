import type { CacheBudget } from '../../platform/cache.js'
import type { Database } from '../../platform/database.js'
import type { RoomId } from '../../protocol/ids.js'
import type { RoomIdentity, Rooms } from './internals.js'
import { storedVersion } from './room-event.js'
import { type RoomRow, SELECT_ROOMS_BY_ID, SELECT_ROOMS_BY_NID } from './store/rooms.js'

/** What it costs to remember a room: two entries, and the id. */
const ROOM_BYTES = 300

export interface KnownRooms extends Rooms {
  learn(room: RoomIdentity): void
}

export function createRooms(database: Database, budget: CacheBudget): KnownRooms {
  const byId = budget.cache<RoomId, RoomIdentity>('roomserver.rooms', () => ROOM_BYTES)
  const byNid = budget.cache<number, RoomIdentity>('roomserver.room_nids', () => ROOM_BYTES)

  const learn = (room: RoomIdentity): void => {
    byId.set(room.roomId, room)
    byNid.set(room.nid, room)
  }
  const take = (row: RoomRow): RoomIdentity => {
    const room = { nid: row.room_nid, roomId: row.room_id, version: storedVersion(row.room_version) }
    learn(room)
    return room
  }

  return {
    learn,
    peek: (roomId) => byId.get(roomId),
    async find(roomIds) {
      const found = new Map<RoomId, RoomIdentity>()
      const missing: RoomId[] = []
      for (const roomId of new Set(roomIds)) {
        const room = byId.get(roomId)
        if (room === undefined) missing.push(roomId)
        else found.set(roomId, room)
      }
      if (missing.length > 0) {
        for (const row of await database.run(SELECT_ROOMS_BY_ID, missing)) found.set(row.room_id, take(row))
      }
      return found
    },
    async byNids(nids) {
      const found = new Map<number, RoomIdentity>()
      const missing: number[] = []
      for (const nid of new Set(nids)) {
        const room = byNid.get(nid)
        if (room === undefined) missing.push(nid)
        else found.set(nid, room)
      }
      if (missing.length > 0) {
        for (const row of await database.run(SELECT_ROOMS_BY_NID, missing)) found.set(row.room_nid, take(row))
      }
      return found
    },
  }
}
