import type { RoomEvent, SentEvent, TimelinePage } from '../../../../src/components/roomserver/api.js'
import { createReadingHalf, type ReadingHalf } from '../../../../src/components/roomserver/reading-half.js'
import type { OpenDatabase } from '../../../../src/platform/database.js'
import type { EventId, RoomId, UserId } from '../../../../src/protocol/ids.js'
import type { JsonObject } from '../../../../src/protocol/json.js'
import { present, type Running, startRooms } from '../writer/support.js'

export { ALICE, BOB, CAROL, member, message, present, publicRoom, SERVER, user } from '../writer/support.js'

export interface Reading extends ReadingHalf, Running {}

/** A room server with both halves. A second one on the same database has cold caches: a restart. */
export async function startReading(
  database: OpenDatabase,
  options: Parameters<typeof startRooms>[1] = {},
): Promise<Reading> {
  const running = await startRooms(database, options)
  return { ...running, ...createReadingHalf(running.rooms.internals) }
}

/** Names of the statements that are sent while `body` runs, and what it gives. */
export async function counted<T>(
  database: OpenDatabase,
  body: () => Promise<T>,
): Promise<{ result: T; statements: string[] }> {
  const statements: string[] = []
  const stop = database.onStatement((name) => statements.push(name))
  try {
    return { result: await body(), statements }
  } finally {
    stop()
  }
}

export function state(
  roomId: RoomId,
  sender: UserId,
  type: string,
  content: JsonObject,
  stateKey = '',
): { roomId: RoomId; sender: UserId; type: string; stateKey: string; content: JsonObject } {
  return { roomId, sender, type, stateKey, content }
}

export function visibility(roomId: RoomId, sender: UserId, value: string) {
  return state(roomId, sender, 'm.room.history_visibility', { history_visibility: value })
}

/** Sends one after the other, so that their positions are in this order. */
export async function sendEach(
  { rooms }: Reading,
  drafts: readonly Parameters<Reading['rooms']['send']>[0][],
): Promise<SentEvent[]> {
  const sent: SentEvent[] = []
  for (const draft of drafts) sent.push(await rooms.send(draft))
  return sent
}

export async function eventOf({ history }: Reading, eventId: EventId): Promise<RoomEvent> {
  return present(await history.event(eventId))
}

/** The position up to which everything sent so far can be read. */
export async function now({ clock }: Reading): Promise<number> {
  await clock.caughtUp(1_000)
  return clock.visible
}

export function idsOf(events: readonly RoomEvent[] | undefined): EventId[] {
  return (events ?? []).map(({ eventId }) => eventId)
}

/** State as `type|key -> event id`. */
export function stateIds(events: readonly RoomEvent[] | undefined): Record<string, EventId> {
  const ids: Record<string, EventId> = {}
  for (const { type, stateKey, eventId } of events ?? []) ids[`${type}|${stateKey}`] = eventId
  return ids
}

/** Pages until the end, with at most so many pages. */
export async function pageThrough(
  { history }: Reading,
  request: Parameters<Reading['history']['page']>[0],
  maxPages = 100,
): Promise<{ events: RoomEvent[]; pages: TimelinePage[] }> {
  const pages: TimelinePage[] = []
  for (let from = request.from; pages.length < maxPages; ) {
    const page = await history.page({ ...request, from })
    pages.push(page)
    if (page.end === undefined) return { pages, events: pages.flatMap(({ events }) => events) }
    from = page.end
  }
  throw new Error(`no end after ${maxPages} pages`)
}

/** An edit of a message. */
export function edit(roomId: RoomId, sender: UserId, target: EventId, body = 'edited') {
  const relation = { rel_type: 'm.replace', event_id: target }
  const content = { body, 'm.new_content': { body }, 'm.relates_to': relation }
  return { roomId, sender, type: 'm.room.message', content }
}
