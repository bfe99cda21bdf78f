import { randomBytes } from 'node:crypto'
import { type DeviceId, deviceId as parseDeviceId, type UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { Device, Login, Logins, NewLogin } from './api.js'
import { announceDevices, type Context } from './context.js'
import type { LastSeen } from './last-seen.js'
import { ACCESS_TOKEN_MS } from './refresh.js'
import { canBeToken, hashToken, newToken } from './secret-tokens.js'
import {
  DELETE_OTHER_TOKENS,
  DELETE_TOKENS_OF_DEVICES,
  INSERT_TOKEN,
  INSERT_TOKEN_PAIR,
} from './store/access-tokens.js'
import { LOCK_ACTIVE_ACCOUNT } from './store/accounts.js'
import {
  DELETE_DEVICES,
  DELETE_OTHER_DEVICES,
  type DeviceRow,
  SELECT_DEVICE,
  SELECT_DEVICES,
  SELECT_DEVICES_OF,
  UPDATE_DEVICE_NAME,
  UPSERT_DEVICE,
} from './store/devices.js'
import { createTokenCache } from './token-cache.js'

const USER_AGENT_LENGTH = 500
const DEVICE_ID_LENGTH = 10
const DEVICE_ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

function newDeviceId(): DeviceId {
  let text = ''
  while (text.length < DEVICE_ID_LENGTH) {
    for (const byte of randomBytes(DEVICE_ID_LENGTH)) {
      // The last incomplete run of 26 is left out, so that no letter is likelier than another.
      if (byte < 234 && text.length < DEVICE_ID_LENGTH) text += DEVICE_ID_LETTERS.charAt(byte % 26)
    }
  }
  return requireDeviceId(text)
}

function requireDeviceId(given: string): DeviceId {
  const id = parseDeviceId(given)
  if (id === undefined) throw new MatrixError('M_INVALID_PARAM', 'A device ID has 1 to 255 bytes')
  return id
}

export function createLogins(context: Context, lastSeen: LastSeen): Logins {
  const { database, accounts, time } = context
  const tokens = createTokenCache(context)

  const present = (userId: UserId, row: DeviceRow): Device => {
    const sighting = lastSeen.pending(userId, row.device_id)
    return {
      deviceId: row.device_id,
      displayName: row.display_name ?? undefined,
      lastSeenTs: sighting?.ts ?? row.last_seen_ts ?? undefined,
      lastSeenIp: sighting?.address ?? row.last_seen_ip ?? undefined,
      lastSeenUserAgent: sighting?.userAgent ?? row.last_seen_user_agent ?? undefined,
    }
  }

  return {
    async login(login: NewLogin): Promise<Login> {
      const { userId } = login
      const deviceId = login.deviceId === undefined ? newDeviceId() : requireDeviceId(login.deviceId)
      const accessToken = newToken()
      const refreshToken = login.refreshable === true ? newToken() : undefined
      await database.transaction(async (tx) => {
        const [locked] = await Promise.all([
          tx.run(LOCK_ACTIVE_ACCOUNT, userId),
          tx.run(
            UPSERT_DEVICE,
            userId,
            deviceId,
            login.initialDeviceDisplayName ?? null,
            time.now(),
            login.clientAddress ?? null,
            login.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
          ),
          tx.run(DELETE_TOKENS_OF_DEVICES, userId, [deviceId]),
          refreshToken === undefined
            ? tx.run(INSERT_TOKEN, hashToken(accessToken), userId, deviceId)
            : tx.run(
                INSERT_TOKEN_PAIR,
                hashToken(accessToken),
                hashToken(refreshToken),
                userId,
                deviceId,
                time.now() + ACCESS_TOKEN_MS,
              ),
        ])
        if (locked.length === 0) throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
        await announceDevices(context, tx, userId)
      })
      if (refreshToken === undefined) return { userId, deviceId, accessToken }
      return { userId, deviceId, accessToken, refreshToken, expiresInMs: ACCESS_TOKEN_MS }
    },

    async requester(accessToken) {
      if (!canBeToken(accessToken)) return undefined
      const token = await tokens.get(accessToken)
      if (token === undefined) return undefined
      const requester = (await accounts.get(token.user_id))?.requesters.get(token.session_id)
      if (requester !== undefined && token.expires_ts !== null && token.expires_ts <= time.now()) {
        throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token has expired', { extra: { soft_logout: true } })
      }
      return requester
    },

    seen(requester, clientAddress, userAgent) {
      const agent = userAgent?.slice(0, USER_AGENT_LENGTH)
      lastSeen.note(requester.userId, requester.deviceId, clientAddress, agent)
    },

    async devices(userId) {
      return (await database.run(SELECT_DEVICES, userId)).map((row) => present(userId, row))
    },

    async devicesOf(userIds) {
      const found = new Map<UserId, Device[]>()
      if (userIds.length === 0) return found
      for (const row of await database.run(SELECT_DEVICES_OF, userIds)) {
        const devices = found.get(row.user_id)
        if (devices === undefined) found.set(row.user_id, [present(row.user_id, row)])
        else devices.push(present(row.user_id, row))
      }
      return found
    },

    async device(userId, deviceId) {
      const [row] = await database.run(SELECT_DEVICE, userId, deviceId)
      return row === undefined ? undefined : present(userId, row)
    },

    renameDevice: (userId, deviceId, displayName) =>
      database.transaction(async (tx) => {
        const renamed = await tx.run(UPDATE_DEVICE_NAME, userId, deviceId, displayName ?? null)
        if (renamed.length === 0) return false
        await announceDevices(context, tx, userId)
        return true
      }),

    deleteDevices: (userId, deviceIds) =>
      database.transaction(async (tx) => {
        // Devices first: their rows are what a refresh that is under way holds.
        const [gone] = await Promise.all([
          tx.run(DELETE_DEVICES, userId, deviceIds),
          tx.run(DELETE_TOKENS_OF_DEVICES, userId, deviceIds),
        ])
        if (gone.length > 0) await announceDevices(context, tx, userId)
      }),

    deleteAllDevices: (userId, keep) =>
      database.transaction(async (tx) => {
        const [gone] = await Promise.all([
          tx.run(DELETE_OTHER_DEVICES, userId, keep ?? null),
          tx.run(DELETE_OTHER_TOKENS, userId, keep ?? null),
        ])
        if (gone.length > 0) await announceDevices(context, tx, userId)
        return gone.map((row) => row.device_id)
      }),
  }
}
