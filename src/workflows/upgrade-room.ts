import type { EventDraft, RoomEvent } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { KeyedQueue } from '../platform/keyed-queue.js'
import { type AuthState, maySend, powerLevelsOf } from '../protocol/auth/index.js'
import type { RoomId, UserId } from '../protocol/ids.js'
import type { JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { roomVersion } from '../protocol/room-version.js'
import { aliasQueue } from './alias-queue.js'
import { followUpgrade, type UpgradeParts } from './follow-upgrade.js'
import { throwUnexpected } from './outcomes.js'
import { bansIn, replacementRoom } from './replacement-room.js'
import { authStateOf, profileContent, refuseSuspended } from './room-parts.js'

export interface UpgradeOrder {
  readonly user: Requester
  readonly roomId: RoomId
  readonly newVersion: string
  /** Ignored by versions that know no other creators than the one who makes the room. */
  readonly additionalCreators: readonly UserId[]
}

/** One upgrade of a room at a time: the second one finds what the first has done. */
const upgrades = new KeyedQueue()

/** Bans that are sent together. */
const BANS_PER_BATCH = 200

/**
 * Replaces a room by one of another version (CS "Room upgrades"), in this order: permission, the new room with what is copied,
 * bans, the tombstone, and only once that stands aliases, directory and the upgrader's own settings; at last the old room is
 * closed to messages, where the user has the power for that.
 * @throws MatrixError M_UNSUPPORTED_ROOM_VERSION, M_USER_SUSPENDED, M_NOT_FOUND, M_FORBIDDEN
 */
export async function upgradeRoom(parts: UpgradeParts, order: UpgradeOrder): Promise<RoomId> {
  refuseSuspended(order.user)
  if (roomVersion(order.newVersion) === undefined) {
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', 'This server does not know this room version')
  }
  return upgrades.run(order.roomId, async () => {
    const { roomserver } = parts
    const { user, roomId } = order
    const authState = await requireTombstonePower(parts, order)
    const state = (await roomserver.currentState([roomId])).get(roomId) ?? []
    const newRoomId = await makeReplacement(parts, order, state)
    await copyBans(parts, { user, newRoomId, state })
    const content = { body: 'This room has been replaced', replacement_room: newRoomId }
    await roomserver.send({ roomId, sender: user.userId, type: 'm.room.tombstone', stateKey: '', content })
    await moveNames(parts, roomId, newRoomId)
    await followUpgrade(parts, user.userId, newRoomId)
    await closeOldRoom(parts, order, { state, authState })
    return newRoomId
  })
}

/** A room that the user has never been in is answered like one that is not there. */
async function requireTombstonePower({ roomserver }: UpgradeParts, { user, roomId }: UpgradeOrder): Promise<AuthState> {
  const membership = await roomserver.membership(roomId, user.userId)
  if (membership === undefined) throw new MatrixError('M_NOT_FOUND', 'This room is not known here')
  const authState = await authStateOf(roomserver, roomId, [user.userId])
  if (membership.membership !== 'join' || !maySend(user.userId, 'm.room.tombstone', true, authState)) {
    throw new MatrixError('M_FORBIDDEN', 'You may not upgrade this room')
  }
  return authState
}

async function makeReplacement(
  { roomserver, userapi }: UpgradeParts,
  { user, roomId, newVersion, additionalCreators }: UpgradeOrder,
  state: readonly RoomEvent[],
): Promise<RoomId> {
  const version = roomVersion(newVersion)
  const create = state.find(({ type }) => type === 'm.room.create')
  const { events } = await roomserver.page({ roomId, from: 'end', direction: 'b', limit: 1, viewer: user.userId })
  if (version === undefined || create === undefined) throw new Error(`the room ${roomId} has no create event`)
  const room = replacementRoom({
    creator: user.userId,
    profile: profileContent(await userapi.profile(user.userId)),
    version,
    additionalCreators,
    state,
    create,
    lastEvent: events[0] ?? create,
  })
  return (await roomserver.createRoom(room)).roomId
}

/** As far as the user has the power: levels that were copied may take it from them. */
async function copyBans(
  { roomserver }: UpgradeParts,
  {
    user,
    newRoomId,
    state,
  }: { readonly user: Requester; readonly newRoomId: RoomId; readonly state: readonly RoomEvent[] },
): Promise<void> {
  const drafts = bansIn(state).map(({ userId, content }): EventDraft => {
    return { roomId: newRoomId, sender: user.userId, type: 'm.room.member', stateKey: userId, content }
  })
  for (let start = 0; start < drafts.length; start += BANS_PER_BATCH) {
    throwUnexpected(await roomserver.sendAll(drafts.slice(start, start + BANS_PER_BATCH)))
  }
}

/** Aliases keep whoever gave them; the directory shows the new room where it showed the old one. */
async function moveNames({ roomserver }: UpgradeParts, roomId: RoomId, newRoomId: RoomId): Promise<void> {
  for (const alias of await roomserver.aliasesOf(roomId)) {
    await aliasQueue.run(alias, async () => {
      const found = await roomserver.alias(alias)
      if (found?.roomId !== roomId) return
      await roomserver.removeAlias(alias)
      await roomserver.createAlias(alias, newRoomId, found.creator)
    })
  }
  if (!(await roomserver.isPublished(roomId))) return
  await roomserver.setPublished(newRoomId, true)
  await roomserver.setPublished(roomId, false)
}

/** The canonical alias leads elsewhere now, and whoever is no moderator should speak there as well. */
async function closeOldRoom(
  { roomserver }: UpgradeParts,
  { user, roomId }: UpgradeOrder,
  { state, authState }: { readonly state: readonly RoomEvent[]; readonly authState: AuthState },
): Promise<void> {
  const draft = (type: string, content: JsonObject): EventDraft => {
    return { roomId, sender: user.userId, type, stateKey: '', content, unlessUnchanged: true }
  }
  const drafts: EventDraft[] = []
  const find = (type: string) => state.find((event) => event.type === type && event.stateKey === '')
  if (find('m.room.canonical_alias') !== undefined) drafts.push(draft('m.room.canonical_alias', {}))
  const levels = powerLevelsOf(authState)
  const restricted = Math.max(50, levels.usersDefault + 1)
  drafts.push(
    draft('m.room.power_levels', {
      ...find('m.room.power_levels')?.content,
      events_default: Math.max(levels.eventsDefault, restricted),
      invite: Math.max(levels.invite, restricted),
    }),
  )
  throwUnexpected(await roomserver.sendAll(drafts))
}
