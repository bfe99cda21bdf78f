import type { EventDraft, NewRoom } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { type RoomAlias, type RoomId, roomAliasOf, type UserId } from '../protocol/ids.js'
import type { JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { type RoomVersion, roomVersion } from '../protocol/room-version.js'
import { aliasQueue } from './alias-queue.js'
import { checkEventNames } from './event-names.js'
import { checkInvitees, refuseThirdPartyInvite } from './invite-user.js'
import { membershipContent } from './membership-content.js'
import { creationContent, initialPowerLevels, type Preset, presetState } from './new-room-state.js'
import { profileContent, type RoomParts, refuseSuspended } from './room-parts.js'
import { aliasesNamedIn, checkStateContent } from './state-guards.js'

export interface InitialState {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** What `POST /createRoom` says, with its defaults filled in. */
export interface RoomOrder {
  readonly user: Requester
  readonly version: string
  readonly preset: Preset
  readonly published: boolean
  readonly aliasName: string | undefined
  readonly name: string | undefined
  readonly topic: string | undefined
  readonly invite: readonly UserId[]
  readonly thirdPartyInvites: number
  readonly isDirect: boolean
  readonly creationContent: JsonObject
  readonly initialState: readonly InitialState[]
  readonly powerLevelOverride: JsonObject
}

type Draft = Omit<EventDraft, 'roomId'>

/** Events that one request may put into a room: all of them are planned in one turn of the event loop. */
const MAX_EVENTS = 500

/**
 * Makes a room with all its first events, whole or not at all (create_room.yaml, whose order of events this is).
 * @throws MatrixError M_USER_SUSPENDED, M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE, M_INVALID_PARAM, M_INVALID_ROOM_STATE,
 *   M_SERVER_NOT_TRUSTED (third-party invites), and for those to be invited what `checkInvitees` throws
 */
export async function createRoom(parts: RoomParts, order: RoomOrder): Promise<RoomId> {
  refuseSuspended(order.user)
  const version = roomVersion(order.version)
  if (version === undefined) {
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', 'This server does not know this room version')
  }
  if (order.thirdPartyInvites > 0) refuseThirdPartyInvite()
  const alias = aliasOf(parts, order)
  checkInitialState(parts, order, alias)
  await checkInvitees(parts.userapi, order.invite)
  const room = await newRoom(parts, order, version, alias)
  const roomId =
    alias === undefined
      ? (await make(parts, room)).roomId
      : await aliasQueue.run(alias, () => makeWithAlias(parts, room, alias))
  if (order.published) await parts.roomserver.setPublished(roomId, true)
  return roomId
}

/** The alias is stored after the room, whose id is not known before; a room that fails leaves none behind. */
async function makeWithAlias(parts: RoomParts, room: NewRoom, alias: RoomAlias): Promise<RoomId> {
  const { roomserver } = parts
  if ((await roomserver.alias(alias)) !== undefined) {
    throw new MatrixError('M_ROOM_IN_USE', `Room alias ${alias} is taken`)
  }
  const { roomId } = await make(parts, room)
  await roomserver.createAlias(alias, roomId, room.creator)
  return roomId
}

/** Whatever the auth rules refuse of a new room is a contradiction within the request. @throws MatrixError M_INVALID_ROOM_STATE */
async function make({ roomserver }: RoomParts, room: NewRoom) {
  try {
    return await roomserver.createRoom(room)
  } catch (error) {
    if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
    throw new MatrixError('M_INVALID_ROOM_STATE', `The room cannot be made like this: ${error.message}`)
  }
}

function aliasOf({ userapi }: RoomParts, { aliasName }: RoomOrder): RoomAlias | undefined {
  if (aliasName === undefined) return undefined
  const alias = roomAliasOf(aliasName, userapi.serverName)
  if (alias === undefined) throw new MatrixError('M_INVALID_PARAM', 'room_alias_name: not the local part of an alias')
  return alias
}

function checkInitialState({ userapi }: RoomParts, order: RoomOrder, alias: RoomAlias | undefined): void {
  if (order.initialState.length + order.invite.length > MAX_EVENTS) {
    throw new MatrixError('M_INVALID_PARAM', `A room may begin with ${MAX_EVENTS} state events and invites`)
  }
  for (const { type, stateKey, content } of order.initialState) {
    checkEventNames(type, stateKey)
    checkStateContent(type, content, userapi.serverName)
    if (type !== 'm.room.canonical_alias') continue
    for (const named of aliasesNamedIn(content)) {
      if (named !== alias) throw new MatrixError('M_BAD_ALIAS', `Room alias ${named} does not lead to this room`)
    }
  }
}

async function newRoom(
  { userapi }: RoomParts,
  order: RoomOrder,
  version: RoomVersion,
  alias: RoomAlias | undefined,
): Promise<NewRoom> {
  const sender = order.user.userId
  const invite = [...new Set(order.invite)]
  const profiles = await userapi.profiles([sender, ...invite])
  const state = (type: string, content: JsonObject, stateKey = ''): Draft => ({ sender, type, stateKey, content })
  const member = (userId: UserId, content: JsonObject) => state('m.room.member', content, userId)
  const profileOf = (userId: UserId) => profileContent(profiles.get(userId))
  return {
    creator: sender,
    version: version.id,
    creationContent: creationContent(order, version),
    events: [
      member(sender, membershipContent('join', { profile: profileOf(sender) })),
      state('m.room.power_levels', initialPowerLevels(order, version)),
      ...(alias === undefined ? [] : [state('m.room.canonical_alias', { alias })]),
      ...initialEvents(order).map(({ type, stateKey, content }) => state(type, content, stateKey)),
      ...(order.name === undefined ? [] : [state('m.room.name', { name: order.name })]),
      ...(order.topic === undefined ? [] : [state('m.room.topic', topicContent(order.topic))]),
      ...invite.map((userId) => {
        const custom = order.isDirect ? { is_direct: true } : {}
        return member(userId, membershipContent('invite', { profile: profileOf(userId), custom }))
      }),
    ],
  }
}

/** The preset's where the request says nothing else, then the request's but for what `name` and `topic` overwrite. */
function initialEvents({ preset, initialState, name, topic }: RoomOrder): InitialState[] {
  const given = initialState.filter(({ type, stateKey }) => {
    if (stateKey !== '') return true
    return !(type === 'm.room.name' && name !== undefined) && !(type === 'm.room.topic' && topic !== undefined)
  })
  const keys = new Set(given.filter(({ stateKey }) => stateKey === '').map(({ type }) => type))
  const ofPreset = presetState(preset).filter(({ type }) => !keys.has(type))
  return [...ofPreset.map(({ type, content }) => ({ type, stateKey: '', content })), ...given]
}

/** The plain text twice: for old readers, and in the form that may hold more than text (`m.topic`). */
function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic }] } }
}
