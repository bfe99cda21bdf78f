import type { Pdu } from '../event/pdu.js'
import { getString, getValue } from '../json.js'
import { creatorsOf } from './create.js'
import { isJoined, mayInvite, membershipOf, powerLevelOf, requiredLevel } from './power-levels.js'
import { type RuleNumbers, ruleNumbers } from './rule-numbers.js'
import { checkThirdPartyInvite } from './third-party-invite.js'
import { ALLOWED, type AuthState, type AuthVerdict, refuse } from './verdict.js'

/** A membership event with what every rule about it looks at. */
interface MembershipChange {
  readonly event: Pdu
  readonly state: AuthState
  readonly target: string
  readonly rules: RuleNumbers['membership']
}

/**
 * The rule of `m.room.member`. That a join was signed by the server of `join_authorised_via_users_server` (its rule 2
 * from room version 8 on) is seen to where signatures are verified: see `signingServersOf`.
 */
export function checkMember(event: Pdu, state: AuthState): AuthVerdict {
  const { member, membership: rules } = ruleNumbers(event.version)
  const membership = getValue(event.content, 'membership')
  if (event.stateKey === undefined || membership === undefined)
    return refuse(`${member}.1`, 'no state key or membership')
  const change: MembershipChange = { event, state, target: event.stateKey, rules }
  switch (membership) {
    case 'join':
      return checkJoin(change)
    case 'invite':
      return checkInvite(change)
    case 'leave':
      return checkLeave(change)
    case 'ban':
      return checkBan(change)
    case 'knock':
      return event.version.knocking ? checkKnock(change) : refuse(rules.unknown, 'this room version knows no knocking')
    default:
      return refuse(rules.unknown, 'the membership is unknown')
  }
}

function checkJoin(change: MembershipChange): AuthVerdict {
  const { event, state, target, rules } = change
  if (isFirstJoin(change)) return ALLOWED
  if (event.sender !== target) return refuse(`${rules.join}.2`, 'nobody joins for somebody else')
  const current = membershipOf(target, state)
  if (current === 'ban') return refuse(`${rules.join}.3`, 'the sender is banned')
  const { version } = event
  const rule = joinRule(state)
  const isExpected = current === 'invite' || current === 'join'
  if ((rule === 'invite' || (version.knocking && rule === 'knock')) && isExpected) return ALLOWED
  if ((version.restrictedJoins && rule === 'restricted') || (version.knockRestricted && rule === 'knock_restricted')) {
    return isExpected ? ALLOWED : checkAuthorisedJoin(change)
  }
  if (rule === 'public') return ALLOWED
  return refuse(`${rules.join}.${version.restrictedJoins ? 7 : 6}`, 'the sender has not been invited')
}

/** Right after the create event its creator joins, before anybody could have let them in. */
function isFirstJoin({ event, state, target }: MembershipChange): boolean {
  const create = state.get('m.room.create', '')
  if (!create || event.prevEvents.length !== 1 || event.prevEvents[0] !== create.eventId) return false
  if (event.version.creatorFromSender) return target === create.sender
  return (creatorsOf(create) as ReadonlySet<string>).has(target)
}

function checkAuthorisedJoin({ event, state, rules }: MembershipChange): AuthVerdict {
  const authorising = getString(event.content, 'join_authorised_via_users_server')
  if (authorising !== undefined && mayInvite(authorising, state)) return ALLOWED
  return refuse(`${rules.join}.5.2`, 'nobody who may invite has authorised the join')
}

function checkInvite({ event, state, target, rules }: MembershipChange): AuthVerdict {
  const thirdPartyInvite = getValue(event.content, 'third_party_invite')
  if (thirdPartyInvite !== undefined) return checkThirdPartyInvite(event, state, target, `${rules.invite}.1`)
  if (!isJoined(event.sender, state)) return refuse(`${rules.invite}.2`, 'the sender is not in the room')
  const current = membershipOf(target, state)
  if (current === 'join' || current === 'ban')
    return refuse(`${rules.invite}.3`, `the target has membership ${current}`)
  if (powerLevelOf(event.sender, state) >= requiredLevel('invite', state)) return ALLOWED
  return refuse(`${rules.invite}.5`, 'the sender may not invite')
}

function checkLeave({ event, state, target, rules }: MembershipChange): AuthVerdict {
  const current = membershipOf(target, state)
  if (event.sender === target) {
    if (current === 'join' || current === 'invite' || (event.version.knocking && current === 'knock')) return ALLOWED
    return refuse(`${rules.leave}.1`, 'the sender has nothing to leave')
  }
  if (!isJoined(event.sender, state)) return refuse(`${rules.leave}.2`, 'the sender is not in the room')
  const level = powerLevelOf(event.sender, state)
  if (current === 'ban' && level < requiredLevel('ban', state))
    return refuse(`${rules.leave}.3`, 'the sender may not unban')
  if (level >= requiredLevel('kick', state) && powerLevelOf(target, state) < level) return ALLOWED
  return refuse(`${rules.leave}.5`, 'the sender may not kick the target')
}

function checkBan({ event, state, target, rules }: MembershipChange): AuthVerdict {
  if (!isJoined(event.sender, state)) return refuse(`${rules.ban}.1`, 'the sender is not in the room')
  const level = powerLevelOf(event.sender, state)
  if (level >= requiredLevel('ban', state) && powerLevelOf(target, state) < level) return ALLOWED
  return refuse(`${rules.ban}.3`, 'the sender may not ban the target')
}

function checkKnock({ event, state, target, rules }: MembershipChange): AuthVerdict {
  const rule = joinRule(state)
  if (rule !== 'knock' && !(event.version.knockRestricted && rule === 'knock_restricted')) {
    return refuse(`${rules.knock}.1`, 'the room does not take knocks')
  }
  if (event.sender !== target) return refuse(`${rules.knock}.2`, 'nobody knocks for somebody else')
  const current = membershipOf(target, state)
  if (current === 'ban' || current === 'invite' || current === 'join') {
    return refuse(`${rules.knock}.4`, `the sender has membership ${current}`)
  }
  return ALLOWED
}

/** `invite` for a room that has none. A value that is no string is no rule that lets anybody in. */
function joinRule(state: AuthState): string | undefined {
  const event = state.get('m.room.join_rules', '')
  const rule = event && getValue(event.content, 'join_rule')
  if (rule === undefined) return 'invite'
  return typeof rule === 'string' ? rule : undefined
}
