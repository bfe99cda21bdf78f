import type { AuthState } from '../../../protocol/auth/index.js'
import { type Pdu, stateTuple } from '../../../protocol/event/pdu.js'
import type { Facts } from '../facts.js'
import type { StoredEvent } from '../room-event.js'
import type { RoomHead } from './room-head.js'

/** The state of a head as the auth rules read it, with what is still being written. Only what was asked for can be read. */
export class HeadState implements AuthState {
  readonly #head: RoomHead
  readonly #facts: Facts

  constructor(head: RoomHead, facts: Facts) {
    this.#head = head
    this.#facts = facts
  }

  event(type: string, stateKey: string): StoredEvent | undefined {
    const nid = this.#head.planned(stateTuple(type, stateKey))
    return nid === undefined ? undefined : this.#facts.event(nid)
  }

  get(type: string, stateKey: string): Pdu | undefined {
    return this.event(type, stateKey)?.pdu
  }
}

export function wantHeadEvent(head: RoomHead, type: string, stateKey: string, facts: Facts): void {
  facts.wantEvent(head.planned(stateTuple(type, stateKey)))
}
