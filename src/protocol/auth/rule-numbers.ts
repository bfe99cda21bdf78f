import type { RoomVersion } from '../room-version.js'

/**
 * Where the rules stand on the page of a room version. Rules came and went, so the same rule has different numbers;
 * a refusal cites the number that somebody reading that version's page will look for.
 */
export interface RuleNumbers {
  readonly authEvents: string
  readonly federate: string
  /** Room versions 1 to 5 only. */
  readonly aliases: string
  readonly member: string
  readonly senderJoined: string
  readonly thirdPartyInvite: string
  readonly requiredLevel: string
  readonly userStateKey: string
  readonly powerLevels: string
  /** Room versions 1 and 2 only. */
  readonly redaction: string
  readonly membership: MembershipRuleNumbers
  readonly levels: LevelRuleNumbers
}

interface MembershipRuleNumbers {
  readonly join: string
  readonly invite: string
  readonly leave: string
  readonly ban: string
  readonly knock: string
  readonly unknown: string
}

interface LevelRuleNumbers {
  /** Versions 10 and later. */
  readonly properties: string
  readonly maps: string
  readonly users: string
  /** Versions 12 and later. */
  readonly creators: string
  readonly alteredProperty: string
  readonly alteredEntry: string
  readonly addedEntry: string
  readonly alteredUser: string
  readonly addedUser: string
}

const cache = new Map<string, RuleNumbers>()

export function ruleNumbers(version: RoomVersion): RuleNumbers {
  const known = cache.get(version.id)
  if (known) return known
  const numbers = count(version)
  cache.set(version.id, numbers)
  return numbers
}

function count(version: RoomVersion): RuleNumbers {
  // Version 12 put a rule 2 in front; versions 1 to 5 have rule 4 about aliases.
  const authEvents = version.roomIdIsCreateHash ? 3 : 2
  const federate = authEvents + 1
  const member = federate + (version.specialCaseAliases ? 2 : 1)
  return {
    authEvents: String(authEvents),
    federate: String(federate),
    aliases: String(federate + 1),
    member: String(member),
    senderJoined: String(member + 1),
    thirdPartyInvite: String(member + 2),
    requiredLevel: String(member + 3),
    userStateKey: String(member + 4),
    powerLevels: String(member + 5),
    redaction: String(member + 6),
    membership: membershipRules(version, member),
    levels: levelRules(version, member + 5),
  }
}

function membershipRules(version: RoomVersion, member: number): MembershipRuleNumbers {
  const join = version.restrictedJoins ? 3 : 2
  const unknown = join + (version.knocking ? 5 : 4)
  return {
    join: `${member}.${join}`,
    invite: `${member}.${join + 1}`,
    leave: `${member}.${join + 2}`,
    ban: `${member}.${join + 3}`,
    knock: `${member}.${join + 4}`,
    unknown: `${member}.${unknown}`,
  }
}

function levelRules(version: RoomVersion, powerLevels: number): LevelRuleNumbers {
  const users = version.integerPowerLevels ? 3 : 1
  // After the form of the content comes "no previous event: allow", then the comparisons.
  const first = users + (version.privilegedCreators ? 3 : 2)
  return {
    properties: `${powerLevels}.1`,
    maps: `${powerLevels}.2`,
    users: `${powerLevels}.${users}`,
    creators: `${powerLevels}.${users + 1}`,
    alteredProperty: `${powerLevels}.${first}`,
    alteredEntry: `${powerLevels}.${first + 1}`,
    addedEntry: `${powerLevels}.${first + 2}`,
    alteredUser: `${powerLevels}.${first + 3}`,
    addedUser: `${powerLevels}.${first + 4}`,
  }
}
