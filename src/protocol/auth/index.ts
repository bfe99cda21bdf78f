export { authStateFrom, checkAuthEvents } from './auth-events.js'
export { checkAuth } from './check.js'
export { creatorsOf } from './create.js'
export { type AuthSubject, authTypesFor } from './needed-state.js'
export {
  isJoined,
  levelToNotify,
  levelToSend,
  mayBan,
  mayInvite,
  mayKick,
  mayRedact,
  maySend,
  membershipOf,
  type PowerLevels,
  powerLevelOf,
  powerLevelsOf,
  requiredLevel,
} from './power-levels.js'
export { mayApplyRedaction } from './redaction.js'
export { signingServersOf } from './signing-servers.js'
export type { AuthState, AuthVerdict, Refusal } from './verdict.js'
