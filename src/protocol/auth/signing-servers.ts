import type { Pdu } from '../event/pdu.js'
import { parseUserId, type ServerName, serverNameOf } from '../ids.js'
import { getString, getValue } from '../json.js'

/**
 * The servers whose signatures an event must carry; undefined when one of them cannot be told, which is to be refused.
 *
 * That is the sender's (but not for an invite made of a third party invite, which the invited user's server sends in
 * the name of somebody else: server-server API, "Validating hashes and signatures on received events"), in room versions
 * 1 and 2 that of the event id, and for a restricted join that of the user who authorised it (rule 4.2).
 */
export function signingServersOf(event: Pdu): ReadonlySet<ServerName> | undefined {
  const servers = new Set<ServerName | undefined>()
  const isMember = event.type === 'm.room.member'
  const membership = isMember ? getValue(event.content, 'membership') : undefined
  if (membership !== 'invite' || getValue(event.content, 'third_party_invite') === undefined) {
    servers.add(serverNameOf(event.sender))
  }
  if (event.version.eventIdServerMustSign) servers.add(serverNameOf(event.eventId))
  if (
    isMember &&
    event.version.restrictedJoins &&
    getValue(event.content, 'join_authorised_via_users_server') !== undefined
  ) {
    const authorising = parseUserId(getString(event.content, 'join_authorised_via_users_server') ?? '')
    servers.add(authorising && serverNameOf(authorising))
  }
  return servers.has(undefined) ? undefined : (servers as Set<ServerName>)
}
