import type { Database } from '../../platform/database.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import { isJsonObject, type JsonObject, parseStoredJson, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { UserApi } from '../userapi/index.js'
import type { NewPusher, Pusher, PusherStore } from './api.js'
import { DELETE_ALL_OWED } from './store/owed-pushes.js'
import {
  DELETE_PUSHER,
  DELETE_PUSHER_OF_OTHERS,
  DELETE_PUSHERS,
  type PusherRow,
  SELECT_PUSHERS,
  SELECT_PUSHERS_OF,
  UPSERT_PUSHER,
} from './store/pushers.js'

/** More devices than this nobody is reached at, and each costs a request for each event. */
const MAX_PUSHERS = 100

export interface PusherDeps {
  readonly database: Database
  readonly userapi: Pick<UserApi, 'devices' | 'devicesOf'>
  readonly time: Clock
}

export interface Pushers extends PusherStore {
  /** Takes away those whose login has ended. */
  forgetEnded(userIds: readonly UserId[]): Promise<void>
}

export function createPushers({ database, userapi, time }: PusherDeps): Pushers {
  /** The login a pusher was made with may have ended a moment ago: then it is gone, whether its row is or not. */
  const living = async (userId: UserId): Promise<PusherRow[]> => {
    const rows = await database.run(SELECT_PUSHERS, userId)
    if (rows.length === 0) return []
    const devices = new Set((await userapi.devices(userId)).map((device) => device.deviceId))
    return rows.filter((row) => devices.has(row.device_id))
  }

  return {
    pushers: async (userId) => (await living(userId)).map(shownPusher),

    async setPusher(userId, pusher) {
      const { appId, pushkey } = pusher
      const present = await living(userId)
      const old = present.find((row) => row.app_id === appId && row.pushkey === pushkey)
      if (old === undefined && present.length >= MAX_PUSHERS) {
        throw new MatrixError('M_TOO_LARGE', `There may be ${MAX_PUSHERS} pushers`, { status: 400 })
      }
      // One session may switch another's pusher: it stays the pusher of the login that made it (MSC3881).
      const deviceId = old?.device_id ?? pusher.deviceId
      const enabled = pusher.enabled ?? old?.enabled ?? true
      await database.transaction(async (tx) => {
        if (!pusher.append) await tx.run(DELETE_PUSHER_OF_OTHERS, userId, appId, pushkey)
        const [row] = await tx.run(
          UPSERT_PUSHER,
          userId,
          appId,
          pushkey,
          deviceId,
          stringifyJson(shownOf(pusher)),
          stringifyJson(pusher.data),
          enabled,
          time.now(),
        )
        if (!enabled && row !== undefined) await tx.run(DELETE_ALL_OWED, row.pusher_id)
      })
    },

    async deletePusher(userId, appId, pushkey) {
      await database.run(DELETE_PUSHER, userId, appId, pushkey)
    },

    async forgetEnded(userIds) {
      const rows = await database.run(SELECT_PUSHERS_OF, userIds)
      if (rows.length === 0) return
      const devices = await userapi.devicesOf([...new Set(rows.map((row) => row.user_id))])
      const isLiving = (row: PusherRow): boolean =>
        devices.get(row.user_id)?.some((device) => device.deviceId === row.device_id) === true
      const ended = rows.filter((row) => !isLiving(row))
      if (ended.length > 0) await database.run(DELETE_PUSHERS, ...identityOf(ended))
    },
  }
}

/** What `DELETE_PUSHERS` takes. */
export function identityOf(rows: readonly PusherRow[]): [number[], string[], number[]] {
  return [rows.map((row) => row.pusher_id), rows.map((row) => row.device_id), rows.map((row) => row.updated_ts)]
}

function shownOf(pusher: NewPusher): JsonObject {
  const { appDisplayName, deviceDisplayName, lang, profileTag } = pusher
  const shown = { app_display_name: appDisplayName, device_display_name: deviceDisplayName, lang }
  return profileTag === undefined ? shown : { ...shown, profile_tag: profileTag }
}

function shownPusher(row: PusherRow): Pusher {
  return {
    appId: row.app_id,
    pushkey: row.pushkey,
    deviceId: row.device_id,
    enabled: row.enabled,
    shown: storedObject(row.shown),
    data: storedObject(row.data),
  }
}

export function storedObject(text: string): JsonObject {
  const value = parseStoredJson(text)
  return isJsonObject(value) ? value : {}
}
