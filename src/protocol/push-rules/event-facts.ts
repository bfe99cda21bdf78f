import type { Pdu } from '../event/pdu.js'
import { getValue, isJsonObject, type JsonObject, type JsonValue } from '../json.js'
import { parsePropertyPath } from './property-path.js'

/** What of a room push rules ask for. */
export interface RoomFacts {
  /** Joined members. */
  readonly memberCount: number
  /** Whether the sender has the power level to notify in this way: `powerLevelOf(sender) >= levelToNotify(key)`. */
  senderMayNotify(key: string): boolean
}

/** The parts of an event that push rules can name; a `Pdu` is one. */
export type PushEvent = Pick<Pdu, 'type' | 'sender' | 'roomId' | 'stateKey' | 'content' | 'eventId'>

/**
 * Everything that is the same for all who get an event, found out once: make one for each event and evaluate all
 * recipients' rules on it.
 */
export class EventFacts {
  readonly event: PushEvent
  readonly room: RoomFacts
  readonly #root: JsonObject
  readonly #properties = new Map<string, JsonValue | undefined>()
  readonly #answers = new Map<object, unknown>()

  constructor(event: PushEvent, room: RoomFacts) {
    this.event = event
    this.room = room
    const { type, sender, roomId, stateKey, content, eventId } = event
    const root = { type, sender, room_id: roomId, event_id: eventId, content }
    this.#root = stateKey === undefined ? root : { ...root, state_key: stateKey }
  }

  /** The value at a dot-separated path; undefined when there is none. */
  property(path: string): JsonValue | undefined {
    if (this.#properties.has(path)) return this.#properties.get(path)
    let value: JsonValue | undefined = this.#root
    for (const name of parsePropertyPath(path)) value = isJsonObject(value) ? getValue(value, name) : undefined
    this.#properties.set(path, value)
    return value
  }

  /** What `find` answers, asked once for each key: for what many recipients share. */
  once<Answer>(key: object, find: () => Answer): Answer {
    if (this.#answers.has(key)) return this.#answers.get(key) as Answer
    const answer = find()
    this.#answers.set(key, answer)
    return answer
  }
}
