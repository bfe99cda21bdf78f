import type { Pdu } from '../event/pdu.js'
import { getObject, getString, getValue } from '../json.js'

/** What the choice of auth events depends on: an event, or one that is still to be built. */
export type AuthSubject = Pick<Pdu, 'version' | 'type' | 'sender' | 'stateKey' | 'content'>

/**
 * The state keys that are looked at to authorise an event, so those of its `auth_events`, each once. State that the room
 * does not have is simply not cited. Server-server API, "Auth events selection".
 */
export function authTypesFor(event: AuthSubject): [type: string, stateKey: string][] {
  if (event.type === 'm.room.create') return []
  const types: [string, string][] = event.version.createEventIsImplied ? [] : [['m.room.create', '']]
  types.push(['m.room.power_levels', ''], ['m.room.member', event.sender])
  if (event.type === 'm.room.member') types.push(...typesForMembership(event))
  return types
}

function typesForMembership({ version, sender, stateKey, content }: AuthSubject): [string, string][] {
  const types: [string, string][] = []
  const members = new Set<string>([sender])
  const addMember = (userId: string | undefined): void => {
    if (userId === undefined || members.has(userId)) return
    members.add(userId)
    types.push(['m.room.member', userId])
  }
  addMember(stateKey)
  const membership = getValue(content, 'membership')
  if (membership === 'join' || membership === 'invite' || membership === 'knock') types.push(['m.room.join_rules', ''])
  if (membership === 'invite') {
    const invite = getObject(content, 'third_party_invite')
    const signed = invite && getObject(invite, 'signed')
    const token = signed && getString(signed, 'token')
    if (token !== undefined) types.push(['m.room.third_party_invite', token])
  }
  if (membership === 'join' && version.restrictedJoins) {
    addMember(getString(content, 'join_authorised_via_users_server'))
  }
  return types
}
