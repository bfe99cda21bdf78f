import type { ClientTransaction, EventDraft, RoomServer } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { type EventId, parseEventId, type RoomId } from '../protocol/ids.js'
import { getValue, type JsonObject, type JsonValue } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { checkEventNames } from './event-names.js'
import { type RoomParts, refuseSuspended, requireJoined } from './room-parts.js'

type Parts = Pick<RoomParts, 'roomserver'>

export interface MessageRequest {
  readonly user: Requester
  readonly roomId: RoomId
  readonly type: string
  readonly content: JsonObject
  readonly transaction: ClientTransaction
}

/**
 * Sends an event that is no state. A repeated request gets the event of the first, also when it would not be allowed
 * any more. Redactions go their own way, whatever path they come by.
 * @throws MatrixError M_FORBIDDEN, M_USER_SUSPENDED, M_TOO_LARGE, M_BAD_JSON
 */
export async function sendMessage(parts: Parts, request: MessageRequest): Promise<EventId> {
  const { user, roomId, type, content, transaction } = request
  if (type === 'm.room.redaction') return redactEvent(parts, { ...request, target: targetIn(content) })
  return once(parts.roomserver, transaction, async () => {
    refuseSuspended(user)
    checkEventNames(type)
    await requireJoined(parts.roomserver, roomId, user.userId)
    return (await parts.roomserver.send({ roomId, sender: user.userId, type, content, transaction })).eventId
  })
}

export interface RedactionRequest {
  readonly user: Requester
  readonly roomId: RoomId
  readonly target: EventId
  readonly content: JsonObject
  readonly transaction: ClientTransaction
}

/**
 * Redacts an event of the room: one's own, or anybody's with the power for it.
 * @throws MatrixError M_FORBIDDEN, M_USER_SUSPENDED, M_NOT_FOUND (no such event), M_INVALID_PARAM (not of this room)
 */
export function redactEvent({ roomserver }: Parts, request: RedactionRequest): Promise<EventId> {
  const { user, roomId, target, content, transaction } = request
  return once(roomserver, transaction, async () => {
    await requireJoined(roomserver, roomId, user.userId)
    const event = await roomserver.event(target)
    if (event?.sender !== user.userId) refuseSuspended(user)
    const draft: EventDraft = {
      roomId,
      sender: user.userId,
      type: 'm.room.redaction',
      content: without(content, 'redacts'),
      redacts: target,
      transaction,
    }
    return (await roomserver.send(draft)).eventId
  })
}

/** Where `/send` names the target, in every room version (room_send.yaml). @throws MatrixError M_MISSING_PARAM, M_BAD_JSON */
function targetIn(content: JsonObject): EventId {
  const redacts = getValue(content, 'redacts')
  if (redacts === undefined) throw new MatrixError('M_MISSING_PARAM', 'The content has no redacts')
  const target = typeof redacts === 'string' ? parseEventId(redacts) : undefined
  if (target === undefined) throw new MatrixError('M_BAD_JSON', 'redacts: not a valid event ID')
  return target
}

/**
 * The room server finds the first event of a transaction by itself, but only for what it is asked to send: a check that
 * fails before must not turn a repeated request into an error.
 */
async function once(
  roomserver: Pick<RoomServer, 'findTransaction'>,
  transaction: ClientTransaction,
  send: () => Promise<EventId>,
): Promise<EventId> {
  try {
    return await send()
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    const earlier = await roomserver.findTransaction(transaction)
    if (earlier === undefined) throw error
    return earlier
  }
}

/** Without a prototype, as what came from a client. */
function without(object: JsonObject, left: string): JsonObject {
  const rest: Record<string, JsonValue> = Object.create(null)
  for (const [key, value] of Object.entries(object)) if (key !== left) rest[key] = value
  return rest
}
