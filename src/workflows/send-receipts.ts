import type { Ephemeral } from '../components/ephemeral/index.js'
import type { PushServer } from '../components/pushserver/index.js'
import type { RoomEvent, RoomServer } from '../components/roomserver/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { Clock } from '../platform/time.js'
import { type EventId, parseEventId, type RoomId, type UserId } from '../protocol/ids.js'
import { getString, isJsonObject, parseStoredJson, stringifyJson } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'

const FULLY_READ = 'm.fully_read'

export type Marker = 'm.read' | 'm.read.private' | typeof FULLY_READ

export interface ReceiptsOrder {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly markers: ReadonlyMap<Marker, EventId>
  /** `main`, a thread root, or undefined: unthreaded. */
  readonly threadId: string | undefined
}

export interface SendReceiptsDeps {
  readonly roomserver: Pick<RoomServer, 'membership' | 'events' | 'event'>
  readonly ephemeral: Pick<Ephemeral, 'setReceipt' | 'touch'>
  readonly pushserver: Pick<PushServer, 'markRead'>
  readonly userapi: Pick<UserApi, 'accountData' | 'setAccountData'>
  readonly time: Clock
}

/** An event that has its place in the timeline. */
type TimelineEvent = RoomEvent & { readonly position: number }

/**
 * Moves a user's receipts and read marker in a room:
 * 1. the user is in the room, and the events are of it;
 * 2. the thread is that of the events;
 * 3. each marker moves, unless that would be backwards, and the unread counts up to there go.
 *
 * @throws MatrixError M_FORBIDDEN, M_NOT_FOUND (no such event in the room), M_INVALID_PARAM (not of the thread)
 */
export async function sendReceipts(deps: SendReceiptsDeps, order: ReceiptsOrder): Promise<void> {
  const { userId, roomId, markers } = order
  const membership = await deps.roomserver.membership(roomId, userId)
  if (membership?.membership !== 'join') throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
  const events = await eventsOf(deps, order)
  for (const event of events.values()) checkThread(event, order.threadId)
  for (const [marker, eventId] of markers) {
    const event = events.get(eventId)
    if (event === undefined) continue
    if (marker === FULLY_READ) await setFullyRead(deps, order, event)
    else await setReceipt(deps, order, marker, event)
  }
  await deps.ephemeral.touch(userId)
}

async function eventsOf(deps: SendReceiptsDeps, order: ReceiptsOrder): Promise<Map<EventId, TimelineEvent>> {
  const found = await deps.roomserver.events([...new Set(order.markers.values())])
  const events = new Map<EventId, TimelineEvent>()
  for (const eventId of order.markers.values()) {
    const event = found.get(eventId)
    if (event === undefined || event.roomId !== order.roomId || !isInTimeline(event)) {
      throw new MatrixError('M_NOT_FOUND', 'There is no such event in this room')
    }
    events.set(eventId, event)
  }
  return events
}

function isInTimeline(event: RoomEvent): event is TimelineEvent {
  return event.position !== undefined
}

/** A thread's root is in the main timeline, and where its thread begins. Client-server API "Threaded read receipts". */
function checkThread(event: RoomEvent, threadId: string | undefined): void {
  if (threadId === undefined) return
  const isOfThread =
    threadId === 'main' ? event.threadRoot === undefined : event.threadRoot === threadId || event.eventId === threadId
  if (!isOfThread) throw new MatrixError('M_INVALID_PARAM', 'event_id is not related to thread_id')
}

async function setReceipt(
  deps: SendReceiptsDeps,
  { userId, roomId, threadId }: ReceiptsOrder,
  type: 'm.read' | 'm.read.private',
  event: TimelineEvent,
): Promise<void> {
  const { eventId, position: order } = event
  // First, and every time: a receipt that was stored just before a crash must still be able to clear the counts.
  await deps.pushserver.markRead(userId, roomId, order, threadId)
  await deps.ephemeral.setReceipt({ roomId, type, userId, eventId, threadId, order, ts: deps.time.now() })
}

async function setFullyRead(deps: SendReceiptsDeps, order: ReceiptsOrder, event: TimelineEvent): Promise<void> {
  const { userId, roomId } = order
  const before = await deps.userapi.accountData(userId, roomId, FULLY_READ)
  const marked = before && markedEvent(before.content)
  if (marked === event.eventId) return
  const markedAt = marked && (await deps.roomserver.event(marked))?.position
  if (typeof markedAt === 'number' && markedAt >= event.position) return
  await deps.userapi.setAccountData(userId, roomId, FULLY_READ, stringifyJson({ event_id: event.eventId }))
}

function markedEvent(content: string): EventId | undefined {
  const parsed = parseStoredJson(content)
  return isJsonObject(parsed) ? parseEventId(getString(parsed, 'event_id') ?? '') : undefined
}
