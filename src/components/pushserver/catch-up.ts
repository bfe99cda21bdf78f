import { type Database, DatabaseUnavailable } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { OutputEntry, RoomServer } from '../roomserver/index.js'
import type { Counter } from './counter.js'
import { SELECT_CURSOR, SET_CURSOR } from './store/cursor.js'

const PAGE = 500

export interface CatchUpDeps {
  readonly database: Database
  readonly counter: Pick<Counter, 'count'>
  readonly roomserver: Pick<RoomServer, 'logAfter'>
  readonly streamClock: Pick<StreamClock, 'visible'>
  readonly log: Log
}

/** Counts what was committed before a crash and not counted. From the first start on, the cursor says how far that is. */
export async function catchUp(deps: CatchUpDeps): Promise<void> {
  const { database, roomserver, streamClock } = deps
  const [cursor] = await database.run(SELECT_CURSOR)
  if (cursor === undefined) {
    await database.run(SET_CURSOR, streamClock.visible)
    return
  }
  let { position } = cursor
  for (;;) {
    const entries = await roomserver.logAfter(position, PAGE)
    const last = entries.at(-1)
    if (last === undefined) return
    await countPage(deps, entries)
    position = last.position
    await database.run(SET_CURSOR, position)
  }
}

/** An entry that cannot be counted is left out: the server must start, and the others be counted. */
async function countPage({ counter, log }: CatchUpDeps, entries: readonly OutputEntry[]): Promise<void> {
  try {
    await counter.count(entries)
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error
    for (const entry of entries) {
      try {
        await counter.count([entry])
      } catch (failure) {
        if (failure instanceof DatabaseUnavailable) throw failure
        const { position, roomId, event } = entry
        log.error(
          { err: failure, position, room_id: roomId, event_id: event?.eventId },
          'an entry of the room log could not be counted and is left out',
        )
      }
    }
  }
}
