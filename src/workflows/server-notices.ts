import type { ClientTransaction } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { KeyedQueue } from '../platform/keyed-queue.js'
import { deviceId, type EventId, type RoomId, type UserId, userIdOf } from '../protocol/ids.js'
import { getObject, type JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { createRoom, type RoomOrder } from './create-room.js'
import type { RoomParts } from './room-parts.js'
import { sendState } from './send-state.js'

/** Section `global.server_notices`. */
export interface NoticesConfig {
  readonly local_part: string
  readonly display_name: string
  /** Empty: none. */
  readonly avatar_url: string
  readonly room_name: string
}

export interface Notice {
  readonly userId: UserId
  readonly type: string
  /** Undefined: no state. */
  readonly stateKey: string | undefined
  readonly content: JsonObject
  /** Of the administrator's request, where it has one. */
  readonly transaction?: ClientTransaction
}

export interface NoticeParts extends RoomParts {
  readonly config: NoticesConfig
  readonly roomVersion: string
}

/** Two first notices for one user at the same time make one room. */
const rooms = new KeyedQueue()

/**
 * Makes the account that notices come from, so that nobody can register its name. To be run when the server starts.
 * @throws Error when somebody has an account of that name already
 */
export async function prepareServerNotices({
  userapi,
  config,
}: Pick<NoticeParts, 'userapi' | 'config'>): Promise<void> {
  const userId = noticesUser({ userapi, config })
  const account = await userapi.account(userId)
  if (account === undefined) await userapi.createAccount({ userId, type: 'user' })
  else if (account.hasPassword || account.deactivated) {
    throw new Error(`global.server_notices.local_part: ${userId} is somebody's account`)
  }
  const profile = (await userapi.profile(userId)) ?? {}
  for (const [field, value] of [
    ['displayname', config.display_name],
    ['avatar_url', config.avatar_url],
  ] as const) {
    if ((profile[field] ?? '') !== value) await userapi.setProfileField(userId, field, value === '' ? undefined : value)
  }
}

/**
 * Sends a notice to a user of this server in the room that they have for notices, which is made, tagged, and the user
 * invited when there is none (CS "Server Notices").
 * @throws MatrixError M_NOT_FOUND for nobody's account, and what sending throws
 */
export async function sendServerNotice(parts: NoticeParts, notice: Notice): Promise<EventId> {
  const account = await parts.userapi.account(notice.userId)
  if (account === undefined || account.deactivated) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
  const user = noticesRequester(parts)
  const roomId = await rooms.run(notice.userId, () => noticesRoom(parts, user, notice.userId))
  const { type, stateKey, content, transaction } = notice
  if (stateKey !== undefined) return sendState(parts, { user, roomId, type, stateKey, content })
  const draft = { roomId, sender: user.userId, type, content }
  return (await parts.roomserver.send(transaction === undefined ? draft : { ...draft, transaction })).eventId
}

/** A room of the target's that the notices' user has made; one that the target has left is not gone on with. */
async function noticesRoom(parts: NoticeParts, user: Requester, target: UserId): Promise<RoomId> {
  const memberships = [...(await parts.roomserver.memberships(target)).values()]
  const present = memberships.filter(({ membership }) => membership === 'join' || membership === 'invite')
  const creations = await parts.roomserver.currentState(
    present.map(({ roomId }) => roomId),
    [['m.room.create', '']],
  )
  for (const [roomId, [create]] of creations) if (create?.sender === user.userId) return roomId
  const roomId = await createRoom(parts, roomOrder(parts, user, target))
  await parts.userapi.updateAccountData(target, roomId, 'm.tag', (content) => ({
    ...content,
    tags: { ...getObject(content, 'tags'), 'm.server_notice': { order: 1 } },
  }))
  return roomId
}

/** Whoever is told something there cannot answer. */
function roomOrder({ config, roomVersion }: NoticeParts, user: Requester, target: UserId): RoomOrder {
  return {
    user,
    version: roomVersion,
    preset: 'private_chat',
    published: false,
    aliasName: undefined,
    name: config.room_name,
    topic: undefined,
    invite: [target],
    thirdPartyInvites: 0,
    isDirect: false,
    creationContent: {},
    initialState: [],
    powerLevelOverride: { users_default: -10 },
  }
}

function noticesUser({ userapi, config }: Pick<NoticeParts, 'userapi' | 'config'>): UserId {
  return userIdOf(config.local_part.toLowerCase(), userapi.serverName)
}

/** Nobody is logged in as that user: the server itself acts for it. */
function noticesRequester(parts: NoticeParts): Requester {
  const device = deviceId('server_notices')
  if (device === undefined) throw new Error('not a device id')
  const userId = noticesUser(parts)
  return { userId, deviceId: device, accountType: 'user', suspended: false, locked: false, sessionId: 0 }
}
