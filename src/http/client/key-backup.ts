import { z } from 'zod'
import type { BackedUpSession, BackupVersion, KeyServer, StoredSession } from '../../components/keyserver/index.js'
import { isJsonObject, type JsonObject, quote } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { Reply, type Route, route } from '../route.js'
import { keySchema } from '../schema/ids.js'
import { jsonObjectSchema, jsonValueSchema } from '../schema/json.js'

const shared = { versions: ['r0', 'unstable'], auth: 'user' } as const
const versionPath = '/_matrix/client/v3/room_keys/version/{version}'
const keysPath = '/_matrix/client/v3/room_keys/keys'

const versionParams = z.object({ version: z.string() })
const versionQuery = z.looseObject({ version: z.string() })
const versionBody = z.looseObject({ algorithm: z.string(), auth_data: jsonValueSchema })

/** Room and session ids are the client's: what is behind them is encrypted. */
const roomParams = z.object({ roomId: keySchema })
const sessionParams = roomParams.extend({ sessionId: keySchema })

export function keyBackupRoutes({ keyserver }: Pick<RouteDeps, 'keyserver'>): Route[] {
  return [
    ...versionRoutes(keyserver),
    ...allKeysRoutes(keyserver),
    ...roomRoutes(keyserver),
    ...sessionRoutes(keyserver),
  ]
}

function versionRoutes(keyserver: KeyServer): Route[] {
  return [
    route({
      ...shared,
      method: 'POST',
      path: '/_matrix/client/v3/room_keys/version',
      body: versionBody,
      handler: async ({ user, body }) => ({
        version: await keyserver.createBackup(user.userId, body.algorithm, body.auth_data),
      }),
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/_matrix/client/v3/room_keys/version',
      handler: async ({ user }) => versionAnswer(await keyserver.backup(user.userId)),
    }),
    route({
      ...shared,
      method: 'GET',
      path: versionPath,
      params: versionParams,
      handler: async ({ user, params }) => versionAnswer(await keyserver.backup(user.userId, params.version)),
    }),
    route({
      ...shared,
      method: 'PUT',
      path: versionPath,
      params: versionParams,
      body: versionBody.extend({ version: z.string().nullish() }),
      async handler({ user, params: { version }, body }) {
        if (body.version !== undefined && body.version !== null && body.version !== version) {
          throw new MatrixError('M_INVALID_PARAM', 'The version in the body is not that in the path')
        }
        const updated = await keyserver.updateBackup(user.userId, version, body.algorithm, body.auth_data)
        if (!updated) throw noSuchVersion()
        return {}
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: versionPath,
      params: versionParams,
      async handler({ user, params }) {
        if (!(await keyserver.deleteBackup(user.userId, params.version))) throw noSuchVersion()
        return {}
      },
    }),
  ]
}

function allKeysRoutes(keyserver: KeyServer): Route[] {
  return [
    route({
      ...shared,
      method: 'PUT',
      path: keysPath,
      query: versionQuery,
      body: z.looseObject({ rooms: jsonObjectSchema }),
      handler: ({ user, query, body }) => {
        const sessions = Object.entries(body.rooms).flatMap(([roomId, room]) => {
          const ofRoom = isJsonObject(room) ? room.sessions : undefined
          return sessionsOf(roomId, isJsonObject(ofRoom) ? ofRoom : undefined)
        })
        return keyserver.putBackupKeys(user.userId, query.version, sessions)
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: keysPath,
      query: versionQuery,
      async handler({ user, query }) {
        const rooms = new Map<string, StoredSession[]>()
        for (const session of await keyserver.backupKeys(user.userId, query.version)) {
          const ofRoom = rooms.get(session.roomId)
          if (ofRoom === undefined) rooms.set(session.roomId, [session])
          else ofRoom.push(session)
        }
        const texts = [...rooms].map(([roomId, sessions]) => `${quote(roomId)}:${roomText(sessions)}`)
        return new Reply({ body: `{"rooms":{${texts.join(',')}}}` })
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: keysPath,
      query: versionQuery,
      handler: ({ user, query }) => keyserver.deleteBackupKeys(user.userId, query.version),
    }),
  ]
}

function roomRoutes(keyserver: KeyServer): Route[] {
  const path = `${keysPath}/{roomId}`
  return [
    route({
      ...shared,
      method: 'PUT',
      path,
      params: roomParams,
      query: versionQuery,
      body: z.looseObject({ sessions: jsonObjectSchema }),
      handler: ({ user, params, query, body }) =>
        keyserver.putBackupKeys(user.userId, query.version, sessionsOf(params.roomId, body.sessions)),
    }),
    route({
      ...shared,
      method: 'GET',
      path,
      params: roomParams,
      query: versionQuery,
      handler: async ({ user, params, query }) =>
        new Reply({ body: roomText(await keyserver.backupKeys(user.userId, query.version, params.roomId)) }),
    }),
    route({
      ...shared,
      method: 'DELETE',
      path,
      params: roomParams,
      query: versionQuery,
      handler: ({ user, params, query }) => keyserver.deleteBackupKeys(user.userId, query.version, params.roomId),
    }),
  ]
}

function sessionRoutes(keyserver: KeyServer): Route[] {
  const path = `${keysPath}/{roomId}/{sessionId}`
  return [
    route({
      ...shared,
      method: 'PUT',
      path,
      params: sessionParams,
      query: versionQuery,
      body: jsonObjectSchema,
      handler: ({ user, params, query, body }) =>
        keyserver.putBackupKeys(user.userId, query.version, [{ ...params, data: body }]),
    }),
    route({
      ...shared,
      method: 'GET',
      path,
      params: sessionParams,
      query: versionQuery,
      async handler({ user, params: { roomId, sessionId }, query }) {
        const [session] = await keyserver.backupKeys(user.userId, query.version, roomId, sessionId)
        if (session === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no key of this session')
        return new Reply({ body: session.json })
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path,
      params: sessionParams,
      query: versionQuery,
      handler: ({ user, params, query }) =>
        keyserver.deleteBackupKeys(user.userId, query.version, params.roomId, params.sessionId),
    }),
  ]
}

function sessionsOf(roomId: string, sessions: JsonObject | undefined): BackedUpSession[] {
  if (sessions === undefined) throw new MatrixError('M_BAD_JSON', 'A room needs sessions')
  return Object.entries(sessions).map(([sessionId, data]) => {
    if (!isJsonObject(data)) throw new MatrixError('M_BAD_JSON', 'A session must be an object')
    return { roomId, sessionId, data }
  })
}

function roomText(sessions: readonly StoredSession[]): string {
  return `{"sessions":{${sessions.map((session) => `${quote(session.sessionId)}:${session.json}`).join(',')}}}`
}

function versionAnswer(backup: BackupVersion | undefined): object {
  if (backup === undefined) throw noSuchVersion()
  const { version, algorithm, authData, count, etag } = backup
  return { version, algorithm, auth_data: authData, count, etag }
}

function noSuchVersion(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such backup version')
}
