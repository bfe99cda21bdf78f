import type { RoomId } from '../../../protocol/ids.js'

/**
 * Rooms in which an event is planned that has to read the store first. Drafts of the room wait for it, or a busy room would
 * move on for ever before it is done. Holding one keeps no database client.
 */
export class RoomLocks {
  readonly #held = new Map<RoomId, Promise<void>>()

  /** Undefined: nobody has it. Otherwise to be awaited, and asked again. */
  held(roomId: RoomId): Promise<void> | undefined {
    return this.#held.get(roomId)
  }

  /** Ends with the task's outcome. One task of a room at a time, in the order they came. */
  async run<T>(roomId: RoomId, task: () => Promise<T>): Promise<T> {
    for (let before = this.#held.get(roomId); before !== undefined; before = this.#held.get(roomId)) await before
    let release: () => void = () => undefined
    const lock = new Promise<void>((resolve) => {
      release = resolve
    })
    this.#held.set(roomId, lock)
    try {
      return await task()
    } finally {
      this.#held.delete(roomId)
      release()
    }
  }
}
