import type { RoomId } from '../ids.js'
import { canonicalJson, getValue, type JsonObject, quote } from '../json.js'
import type { Pdu } from './pdu.js'

/**
 * Events as clients see them, as JSON text that is made once per event, kept, and completed by splicing.
 * Client-server API "Room event format".
 */

/**
 * The event without `room_id` (which `/sync` leaves out) and without `unsigned` (which is another for each viewer): to be
 * cached, and completed by `withRoomId` and `withUnsigned`.
 */
export function clientEventText(pdu: Pdu): string {
  const stateKey = pdu.stateKey === undefined ? '' : `,"state_key":${quote(pdu.stateKey)}`
  const redacts = pdu.redacts === undefined ? '' : `,"redacts":${quote(pdu.redacts)}`
  return (
    `{"content":${canonicalJson(clientContent(pdu))},"event_id":${quote(pdu.eventId)}` +
    `,"origin_server_ts":${pdu.originServerTs}${redacts},"sender":${quote(pdu.sender)}${stateKey},"type":${quote(pdu.type)}}`
  )
}

/** The complete event but for `unsigned`. */
export function clientEvent(pdu: Pdu): string {
  return withRoomId(clientEventText(pdu), pdu.roomId)
}

export function withRoomId(text: string, roomId: RoomId): string {
  return `${text.slice(0, -1)},"room_id":${quote(roomId)}}`
}

/** `unsigned` is the text of a JSON object; empty ones are left out. */
export function withUnsigned(text: string, unsigned: string): string {
  return unsigned === '{}' ? text : `${text.slice(0, -1)},"unsigned":${unsigned}}`
}

/** Client-server API "Stripped state": only `content`, `sender`, `state_key` and `type`. */
export function strippedEvent(pdu: Pdu): string {
  const stateKey = quote(pdu.stateKey ?? '')
  return `{"content":${canonicalJson(clientContent(pdu))},"sender":${quote(pdu.sender)},"state_key":${stateKey},"type":${quote(pdu.type)}}`
}

/** rooms/v11 "Moving the redacts property": clients find the target in both places, whatever the room version. */
function clientContent({ content, redacts }: Pdu): JsonObject {
  return redacts === undefined || getValue(content, 'redacts') === redacts ? content : { ...content, redacts }
}
