import { KNOWN_ROOM_VERSIONS, roomVersion } from '../../protocol/room-version.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'

const ADMIN_CAPABILITIES = { 'm.account_moderation': { lock: true, suspend: true } }
const GUEST_CAPABILITIES = {
  'm.change_password': { enabled: false },
  'm.get_login_token': { enabled: false },
}

export function capabilitiesRoutes({ config }: Pick<RouteDeps, 'config'>): Route[] {
  const available = Object.fromEntries(
    [...KNOWN_ROOM_VERSIONS].map((id) => [id, roomVersion(id)?.stable === true ? 'stable' : 'unstable']),
  )
  const capabilities = {
    'm.change_password': { enabled: true },
    'm.room_versions': { default: config.room_server.default_room_version, available },
    'm.profile_fields': { enabled: true },
    'm.set_displayname': { enabled: true },
    'm.set_avatar_url': { enabled: true },
    'm.3pid_changes': { enabled: false },
    'm.get_login_token': { enabled: true },
    'm.forget_forced_upon_leave': { enabled: false },
  }
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/capabilities',
      versions: ['r0'],
      auth: 'guest',
      async handler({ user }) {
        if (user.accountType === 'guest') return { capabilities: { ...capabilities, ...GUEST_CAPABILITIES } }
        return {
          capabilities: user.accountType === 'admin' ? { ...capabilities, ...ADMIN_CAPABILITIES } : capabilities,
        }
      },
    }),
  ]
}
