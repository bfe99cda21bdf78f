import type { EventId, RoomId, UserId } from '../../../protocol/ids.js'
import { quote } from '../../../protocol/json.js'
import { EPHEMERAL_STREAMS, type Receipt, type ReceiptType } from '../../ephemeral/index.js'
import { contentEventText, objectText, stringsText } from '../json-text.js'
import type { RoomPart } from '../rooms/room-plan.js'
import type { SyncSources, SyncView } from '../sync-view.js'

export interface EphemeralNews {
  /** Typing and receipts as events, for rooms that have any. */
  readonly rooms: ReadonlyMap<RoomId, readonly string[]>
}

/** Who types, and what has been read, in joined rooms. */
export async function readEphemeral(
  sources: SyncSources,
  view: SyncView,
  joined: readonly RoomPart[],
): Promise<EphemeralNews> {
  const { types, rooms } = view.filter.ephemeral
  const wanted = joined.filter(({ roomId }) => rooms.allows(roomId))
  const fresh = wanted.filter((part) => part.fresh).map(({ roomId }) => roomId)
  const known = wanted.filter((part) => !part.fresh).map(({ roomId }) => roomId)
  const events = new Map<RoomId, string[]>()
  const add = (roomId: RoomId, event: string) => events.set(roomId, [...(events.get(roomId) ?? []), event])
  if (types.allows('m.typing')) {
    for (const [roomId, users] of typingUsers(sources, view, fresh, known)) {
      add(roomId, contentEventText('m.typing', `{"user_ids":${stringsText(users)}}`))
    }
  }
  if (types.allows('m.receipt')) {
    for (const [roomId, receipts] of byRoom(await readReceipts(sources, view, fresh, known))) {
      for (const content of receiptContents(receipts)) add(roomId, contentEventText('m.receipt', content))
    }
  }
  return { rooms: events }
}

function typingUsers(
  { ephemeral, feed }: SyncSources,
  { since = 0, upTo, ignored }: SyncView,
  fresh: readonly RoomId[],
  known: readonly RoomId[],
): Map<RoomId, UserId[]> {
  const changed = feed.changedSince(EPHEMERAL_STREAMS.typing, known, since)
  const typing = new Map([
    ...ephemeral.typingBetween(fresh, 0, upTo),
    ...ephemeral.typingBetween(changed as RoomId[], since, upTo),
  ])
  for (const [roomId, users] of typing)
    typing.set(
      roomId,
      users.filter((userId) => !ignored.has(userId)),
    )
  return typing
}

async function readReceipts(
  { ephemeral, feed }: SyncSources,
  { requester: { userId }, since = 0, upTo, ignored }: SyncView,
  fresh: readonly RoomId[],
  known: readonly RoomId[],
): Promise<Receipt[]> {
  const hasPrivate = feed.mayHaveChanged(EPHEMERAL_STREAMS.privateReceipts, userId, since)
  const changed = hasPrivate ? known : (feed.changedSince(EPHEMERAL_STREAMS.receipts, known, since) as RoomId[])
  const receipts: Receipt[] = []
  if (fresh.length > 0) receipts.push(...(await ephemeral.receiptsBetween(fresh, userId, 0, upTo)))
  if (changed.length > 0) receipts.push(...(await ephemeral.receiptsBetween(changed, userId, since, upTo)))
  return receipts.filter((receipt) => !ignored.has(receipt.userId))
}

function byRoom(receipts: readonly Receipt[]): Map<RoomId, Receipt[]> {
  const rooms = new Map<RoomId, Receipt[]>()
  for (const receipt of receipts) {
    const ofRoom = rooms.get(receipt.roomId)
    if (ofRoom === undefined) rooms.set(receipt.roomId, [receipt])
    else ofRoom.push(receipt)
  }
  return rooms
}

type ReceiptContent = Map<EventId, Map<ReceiptType, Map<UserId, string>>>

/**
 * Contents of m.receipt events. One has a single place for a user at an event; whoever has a threaded and an unthreaded
 * receipt at the same event needs a second one. CS API "Receipts".
 */
function receiptContents(receipts: readonly Receipt[]): string[] {
  const contents: ReceiptContent[] = []
  for (const receipt of receipts) {
    let content = contents.find((known) => known.get(receipt.eventId)?.get(receipt.type)?.has(receipt.userId) !== true)
    if (content === undefined) {
      content = new Map()
      contents.push(content)
    }
    const ofEvent = content.get(receipt.eventId) ?? new Map<ReceiptType, Map<UserId, string>>()
    const ofType = ofEvent.get(receipt.type) ?? new Map<UserId, string>()
    content.set(receipt.eventId, ofEvent)
    ofEvent.set(receipt.type, ofType)
    ofType.set(receipt.userId, receiptText(receipt))
  }
  return contents.map((content) =>
    objectText(
      Array.from(content, ([eventId, types]) => [
        eventId,
        objectText(Array.from(types, ([type, users]) => [type, objectText(users)])),
      ]),
    ),
  )
}

function receiptText({ ts, threadId }: Receipt): string {
  return threadId === undefined ? `{"ts":${ts}}` : `{"thread_id":${quote(threadId)},"ts":${ts}}`
}
