import type { Pdu } from '../event/pdu.js'
import { serverNameOf } from '../ids.js'
import { getValue } from '../json.js'
import { checkCreate } from './create.js'
import { checkMember } from './member.js'
import { checkPowerLevels } from './power-level-changes.js'
import { isJoined, levelToSend, mayInvite, mayRedact, powerLevelOf } from './power-levels.js'
import { haveSameServer } from './redaction.js'
import { type RuleNumbers, ruleNumbers } from './rule-numbers.js'
import { ALLOWED, type AuthState, type AuthVerdict, type Refusal, refuse } from './verdict.js'

/**
 * Whether an event is allowed in a state, by the authorisation rules of its room version (rooms/v1 to v12,
 * "Authorisation rules"), without those about the list of its auth events: `checkAuthEvents`. Signatures are taken as
 * verified. Rules are numbered here as in version 11; a refusal has the number of the event's own version.
 *
 *  1. create event: by itself
 *  2. the create event of the room is there, and of this room
 *  3. `m.federate`
 *     aliases, in versions 1 to 5
 *  4. memberships
 *  5. the sender is in the room
 *  6. third party invites
 *  7. the sender has the level that the type takes
 *  8. state keys that are user ids belong to that user
 *  9. power levels
 *     redactions, in versions 1 and 2
 *
 * `state` has to answer for what `authTypesFor` names and, in version 12 and later, for the accepted create event.
 */
export function checkAuth(event: Pdu, state: AuthState): AuthVerdict {
  if (event.type === 'm.room.create') return checkCreate(event)
  const rules = ruleNumbers(event.version)
  const foreign = checkRoom(event, state, rules)
  if (foreign) return foreign
  if (event.version.specialCaseAliases && event.type === 'm.room.aliases') return checkAliases(event, rules)
  if (event.type === 'm.room.member') return checkMember(event, state)
  if (!isJoined(event.sender, state)) return refuse(rules.senderJoined, 'the sender is not in the room')
  if (event.type === 'm.room.third_party_invite') {
    return mayInvite(event.sender, state) ? ALLOWED : refuse(`${rules.thirdPartyInvite}.1`, 'the sender may not invite')
  }
  if (powerLevelOf(event.sender, state) < levelToSend(event.type, event.stateKey !== undefined, state)) {
    return refuse(rules.requiredLevel, 'the sender has not the level for this type')
  }
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) {
    return refuse(rules.userStateKey, 'the state key is another user')
  }
  if (event.type === 'm.room.power_levels') return checkPowerLevels(event, state)
  if (event.version.redactionAuthRule && event.type === 'm.room.redaction') return checkRedaction(event, state, rules)
  return ALLOWED
}

function checkRoom(event: Pdu, state: AuthState, rules: RuleNumbers): Refusal | undefined {
  const create = state.get('m.room.create', '')
  if (event.version.roomIdIsCreateHash) {
    if (create?.eventId.slice(1) !== event.roomId.slice(1)) return refuse('2', 'the room id is of no create event')
  } else {
    if (!create) return refuse(`${rules.authEvents}.4`, 'there is no create event')
    if (create.roomId !== event.roomId) return refuse(`${rules.authEvents}.5`, 'the create event is of another room')
  }
  if (getValue(create.content, 'm.federate') === false && serverNameOf(event.sender) !== serverNameOf(create.sender)) {
    return refuse(rules.federate, 'the room is not federated')
  }
  return undefined
}

function checkAliases(event: Pdu, rules: RuleNumbers): AuthVerdict {
  if (event.stateKey === undefined) return refuse(`${rules.aliases}.1`, 'there is no state key')
  if (serverNameOf(event.sender) === event.stateKey) return ALLOWED
  return refuse(`${rules.aliases}.2`, 'the state key is another server')
}

/** Who may have an event redacted is an auth rule in room versions 1 and 2 only: see `mayApplyRedaction`. */
function checkRedaction(event: Pdu, state: AuthState, rules: RuleNumbers): AuthVerdict {
  if (mayRedact(event.sender, state)) return ALLOWED
  if (event.redacts !== undefined && haveSameServer(event.redacts, event.eventId)) return ALLOWED
  return refuse(`${rules.redaction}.3`, 'the sender may not redact events of another server')
}
