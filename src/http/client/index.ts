import { sharedSecretRegistrationRoutes } from '../admin/shared-secret-registration.js'
import type { RouteDeps } from '../deps.js'
import type { Route } from '../route.js'
import { staticRoutes } from '../static.js'
import { wellKnownRoutes } from '../well-known.js'
import { accountDataRoutes } from './account-data.js'
import { accountDeactivationRoutes } from './account-deactivation.js'
import { administrativeContactRoutes } from './administrative-contact.js'
import { banningRoutes } from './banning.js'
import { capabilitiesRoutes } from './capabilities.js'
import { createRoomRoutes } from './create-room.js'
import { crossSigningRoutes } from './cross-signing.js'
import { deviceManagementRoutes } from './device-management.js'
import { directoryRoutes } from './directory.js'
import { eventContextRoutes } from './event-context.js'
import { filterRoutes } from './filter.js'
import { invitingRoutes } from './inviting.js'
import { joiningRoutes } from './joining.js'
import { keyBackupRoutes } from './key-backup.js'
import { keysRoutes } from './keys.js'
import { kickingRoutes } from './kicking.js'
import { knockingRoutes } from './knocking.js'
import { leavingRoutes } from './leaving.js'
import { listJoinedRoomsRoutes } from './list-joined-rooms.js'
import { listPublicRoomsRoutes } from './list-public-rooms.js'
import { loginRoutes } from './login.js'
import { logoutRoutes } from './logout.js'
import { messagePaginationRoutes } from './message-pagination.js'
import { passwordManagementRoutes } from './password-management.js'
import { peekingRoutes } from './peeking.js'
import { presenceRoutes } from './presence.js'
import { profileRoutes } from './profile.js'
import { pushRulesRoutes } from './pushrules.js'
import { readMarkersRoutes } from './read-markers.js'
import { receiptsRoutes } from './receipts.js'
import { redactionRoutes } from './redaction.js'
import { registrationRoutes } from './registration.js'
import { relationsRoutes } from './relations.js'
import { roomEventByTimestampRoutes } from './room-event-by-timestamp.js'
import { roomSendRoutes } from './room-send.js'
import { roomStateRoutes } from './room-state.js'
import { roomsRoutes } from './rooms.js'
import { syncRoutes } from './sync.js'
import { tagsRoutes } from './tags.js'
import { threadsListRoutes } from './threads-list.js'
import { toDeviceRoutes } from './to-device.js'
import { typingRoutes } from './typing.js'
import { versionsRoutes } from './versions.js'
import { whoamiRoutes } from './whoami.js'

/** Everything that clients are served, a module per file of the specification. */
export function clientRoutes(deps: RouteDeps): Route[] {
  return [
    ...accountDataRoutes(deps),
    ...accountDeactivationRoutes(deps),
    ...administrativeContactRoutes(),
    ...banningRoutes(deps),
    ...capabilitiesRoutes(deps),
    ...createRoomRoutes(deps),
    ...crossSigningRoutes(deps),
    ...deviceManagementRoutes(deps),
    ...directoryRoutes(deps),
    ...eventContextRoutes(deps),
    ...filterRoutes(deps),
    ...invitingRoutes(deps),
    ...joiningRoutes(deps),
    ...keyBackupRoutes(deps),
    ...keysRoutes(deps),
    ...kickingRoutes(deps),
    ...knockingRoutes(deps),
    ...leavingRoutes(deps),
    ...listJoinedRoomsRoutes(deps),
    ...listPublicRoomsRoutes(deps),
    ...loginRoutes(deps),
    ...logoutRoutes(deps),
    ...messagePaginationRoutes(deps),
    ...passwordManagementRoutes(deps),
    ...peekingRoutes(deps),
    ...presenceRoutes(deps),
    ...profileRoutes(deps),
    ...pushRulesRoutes(deps),
    ...readMarkersRoutes(deps),
    ...receiptsRoutes(deps),
    ...redactionRoutes(deps),
    ...registrationRoutes(deps),
    ...relationsRoutes(deps),
    ...roomEventByTimestampRoutes(deps),
    ...roomSendRoutes(deps),
    ...roomsRoutes(deps),
    ...roomStateRoutes(deps),
    ...sharedSecretRegistrationRoutes(deps),
    ...staticRoutes(),
    ...syncRoutes(deps),
    ...tagsRoutes(deps),
    ...threadsListRoutes(deps),
    ...toDeviceRoutes(deps),
    ...typingRoutes(deps),
    ...versionsRoutes(),
    ...wellKnownRoutes(deps),
    ...whoamiRoutes(),
  ]
}
