import { strippedEvent } from '../../../protocol/event/client-format.js'
import { stateTuple } from '../../../protocol/event/pdu.js'
import type { Facts } from '../facts.js'
import type { StoredEvent } from '../room-event.js'
import { wantHeadEvent } from '../state/head-state.js'
import type { RoomHead } from '../state/room-head.js'

/** What somebody outside the room is told of it: CS API "Stripped state". */
const STRIPPED_TYPES = [
  'm.room.create',
  'm.room.join_rules',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const

export function wantStrippedState(head: RoomHead, sender: string, facts: Facts): void {
  for (const type of STRIPPED_TYPES) wantHeadEvent(head, type, '', facts)
  wantHeadEvent(head, 'm.room.member', sender, facts)
}

/** JSON text of an array of stripped events: what describes the room, who invites, and the invite (or knock) itself. */
export function strippedStateFor(head: RoomHead, member: StoredEvent, facts: Facts): string {
  const texts: string[] = []
  const add = (type: string, stateKey: string): void => {
    const nid = head.planned(stateTuple(type, stateKey))
    if (nid !== undefined) texts.push(strippedEvent(facts.event(nid).pdu))
  }
  for (const type of STRIPPED_TYPES) add(type, '')
  if (member.sender !== member.stateKey) add('m.room.member', member.sender)
  texts.push(strippedEvent(member.pdu))
  return `[${texts.join(',')}]`
}
