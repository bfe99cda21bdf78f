import { LRUCache } from 'lru-cache'
import { changeInMemory } from '../../platform/change-feed.js'
import type { RoomId, UserId } from '../../protocol/ids.js'
import { EPHEMERAL_STREAMS, type Typing } from './api.js'
import type { EphemeralDeps } from './context.js'

const LONGEST_TIMEOUT_MS = 120_000

/** Rooms in which somebody has typed lately. */
const ROOMS = 10_000
/** People who type in one room at the same time; more of them are a joke or an attack. */
const USERS_PER_ROOM = 200

interface TypingRoom {
  /** Of the last change. */
  position: number
  /** Who types, with the way to call their time-out off. */
  readonly users: Map<UserId, () => void>
}

/** Who types where, in memory alone: after a restart nobody does. */
export function createTyping(deps: EphemeralDeps): Typing & { stop(): void } {
  const { time, log } = deps
  const rooms = new LRUCache<RoomId, TypingRoom>({ max: ROOMS, dispose: (room) => cancelAll(room) })

  const changed = (roomId: RoomId, room: TypingRoom): Promise<void> =>
    changeInMemory(deps, { stream: EPHEMERAL_STREAMS.typing, keys: [roomId] }, (position) => {
      room.position = Math.max(room.position, position)
    })

  const startTyping = (roomId: RoomId, userId: UserId, timeoutMs: number): Promise<void> | undefined => {
    const room = rooms.get(roomId) ?? { position: 0, users: new Map<UserId, () => void>() }
    rooms.set(roomId, room)
    const before = room.users.get(userId)
    if (before === undefined && room.users.size >= USERS_PER_ROOM) return undefined
    before?.()
    const timeUp = (): void => {
      stopTyping(roomId, userId)?.catch((error: unknown) =>
        log.warn({ err: error }, 'the end of typing has no position'),
      )
    }
    room.users.set(userId, time.after(timeoutMs, timeUp))
    return before === undefined ? changed(roomId, room) : undefined
  }

  const stopTyping = (roomId: RoomId, userId: UserId): Promise<void> | undefined => {
    const room = rooms.get(roomId)
    const cancel = room?.users.get(userId)
    if (room === undefined || cancel === undefined) return undefined
    cancel()
    room.users.delete(userId)
    return changed(roomId, room)
  }

  return {
    async setTyping(roomId, userId, typing, timeoutMs) {
      const timeout = Math.min(timeoutMs, LONGEST_TIMEOUT_MS)
      await (typing && timeout > 0 ? startTyping(roomId, userId, timeout) : stopTyping(roomId, userId))
    },

    typingBetween(roomIds, after, upTo) {
      const found = new Map<RoomId, UserId[]>()
      for (const roomId of roomIds) {
        const room = rooms.peek(roomId)
        if (room === undefined) continue
        const isChange = room.position > after && room.position <= upTo
        if (after === 0 ? room.users.size > 0 : isChange) found.set(roomId, [...room.users.keys()])
      }
      return found
    },

    stop() {
      for (const room of rooms.values()) cancelAll(room)
    },
  }
}

function cancelAll(room: TypingRoom): void {
  for (const cancel of room.users.values()) cancel()
}
