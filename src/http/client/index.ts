import { accountAdminRoutes } from '../admin/accounts.js'
import { eventReportsRoutes } from '../admin/event-reports.js'
import { registrationTokenAdminRoutes } from '../admin/registration-tokens.js'
import { serverNoticesRoutes } from '../admin/server-notices.js'
import { sharedSecretRegistrationRoutes } from '../admin/shared-secret-registration.js'
import type { RouteDeps } from '../deps.js'
import type { Route } from '../route.js'
import { staticRoutes } from '../static.js'
import { wellKnownRoutes } from '../well-known.js'
import { accountDataRoutes } from './account-data.js'
import { accountDeactivationRoutes } from './account-deactivation.js'
import { adminRoutes } from './admin.js'
import { administrativeContactRoutes } from './administrative-contact.js'
import { authFallbackRoutes } from './auth-fallback.js'
import { authedContentRepoRoutes } from './authed-content-repo.js'
import { banningRoutes } from './banning.js'
import { capabilitiesRoutes } from './capabilities.js'
import { contentRepoRoutes } from './content-repo.js'
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
import { loginFallbackRoutes } from './login-fallback.js'
import { loginTokenRoutes } from './login-token.js'
import { logoutRoutes } from './logout.js'
import { messagePaginationRoutes } from './message-pagination.js'
import { mutualRoomsRoutes } from './mutual-rooms.js'
import { notificationsRoutes } from './notifications.js'
import { oldSyncRoutes } from './old-sync.js'
import { openidRoutes } from './openid.js'
import { passwordManagementRoutes } from './password-management.js'
import { peekingRoutes } from './peeking.js'
import { peekingEventsRoutes } from './peeking-events.js'
import { presenceRoutes } from './presence.js'
import { profileRoutes } from './profile.js'
import { pusherRoutes } from './pusher.js'
import { pushRulesRoutes } from './pushrules.js'
import { readMarkersRoutes } from './read-markers.js'
import { receiptsRoutes } from './receipts.js'
import { redactionRoutes } from './redaction.js'
import { refreshRoutes } from './refresh.js'
import { registrationRoutes } from './registration.js'
import { registrationTokensRoutes } from './registration-tokens.js'
import { relationsRoutes } from './relations.js'
import { reportContentRoutes } from './report-content.js'
import { roomEventByTimestampRoutes } from './room-event-by-timestamp.js'
import { roomInitialSyncRoutes } from './room-initial-sync.js'
import { roomSendRoutes } from './room-send.js'
import { roomStateRoutes } from './room-state.js'
import { roomSummaryRoutes } from './room-summary.js'
import { roomUpgradesRoutes } from './room-upgrades.js'
import { roomsRoutes } from './rooms.js'
import { searchRoutes } from './search.js'
import { spaceHierarchyRoutes } from './space-hierarchy.js'
import { syncRoutes } from './sync.js'
import { tagsRoutes } from './tags.js'
import { threadsListRoutes } from './threads-list.js'
import { toDeviceRoutes } from './to-device.js'
import { typingRoutes } from './typing.js'
import { usersRoutes } from './users.js'
import { versionsRoutes } from './versions.js'
import { voipRoutes } from './voip.js'
import { whoamiRoutes } from './whoami.js'

/** Everything that clients are served, a module per file of the specification. */
export function clientRoutes(deps: RouteDeps): Route[] {
  return [
    ...accountAdminRoutes(deps),
    ...accountDataRoutes(deps),
    ...accountDeactivationRoutes(deps),
    ...administrativeContactRoutes(),
    ...adminRoutes(deps),
    ...authFallbackRoutes(deps),
    ...authedContentRepoRoutes(deps),
    ...banningRoutes(deps),
    ...capabilitiesRoutes(deps),
    ...contentRepoRoutes(deps),
    ...createRoomRoutes(deps),
    ...crossSigningRoutes(deps),
    ...deviceManagementRoutes(deps),
    ...directoryRoutes(deps),
    ...eventContextRoutes(deps),
    ...eventReportsRoutes(deps),
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
    ...loginFallbackRoutes(deps),
    ...loginTokenRoutes(deps),
    ...logoutRoutes(deps),
    ...messagePaginationRoutes(deps),
    ...mutualRoomsRoutes(deps),
    ...oldSyncRoutes(deps),
    ...openidRoutes(deps),
    ...notificationsRoutes(deps),
    ...passwordManagementRoutes(deps),
    ...peekingEventsRoutes(deps),
    ...peekingRoutes(deps),
    ...presenceRoutes(deps),
    ...profileRoutes(deps),
    ...pusherRoutes(deps),
    ...pushRulesRoutes(deps),
    ...readMarkersRoutes(deps),
    ...receiptsRoutes(deps),
    ...redactionRoutes(deps),
    ...refreshRoutes(deps),
    ...registrationRoutes(deps),
    ...registrationTokenAdminRoutes(deps),
    ...registrationTokensRoutes(deps),
    ...relationsRoutes(deps),
    ...reportContentRoutes(deps),
    ...roomEventByTimestampRoutes(deps),
    ...roomInitialSyncRoutes(deps),
    ...roomSendRoutes(deps),
    ...roomsRoutes(deps),
    ...roomStateRoutes(deps),
    ...roomSummaryRoutes(deps),
    ...roomUpgradesRoutes(deps),
    ...searchRoutes(deps),
    ...serverNoticesRoutes(deps),
    ...sharedSecretRegistrationRoutes(deps),
    ...spaceHierarchyRoutes(deps),
    ...staticRoutes(),
    ...syncRoutes(deps),
    ...tagsRoutes(deps),
    ...threadsListRoutes(deps),
    ...toDeviceRoutes(deps),
    ...typingRoutes(deps),
    ...usersRoutes(deps),
    ...versionsRoutes(),
    ...voipRoutes(deps),
    ...wellKnownRoutes(deps),
    ...whoamiRoutes(),
  ]
}
