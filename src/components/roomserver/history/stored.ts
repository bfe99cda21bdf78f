import type { RoomEvent } from '../api.js'
import { StoredEvent } from '../room-event.js'

/** @throws TypeError for an event that does not come from this component */
export function asStored(event: RoomEvent): StoredEvent {
  if (!(event instanceof StoredEvent)) throw new TypeError('not an event of the room server')
  return event
}
