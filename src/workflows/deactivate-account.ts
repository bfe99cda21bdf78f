import type { RoomServer } from '../components/roomserver/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { UserId } from '../protocol/ids.js'
import { throwUnexpected } from './outcomes.js'

interface Parts {
  readonly userapi: UserApi
  readonly roomserver: RoomServer
}

/**
 * Ends an account for good: its logins and its password first, so that nobody can act as it any more, then it leaves every
 * room and turns down every invite and knock, all in one batch.
 */
export async function deactivateAccount(
  parts: Parts,
  userId: UserId,
  options: { readonly erase: boolean },
): Promise<void> {
  await parts.userapi.deactivate(userId, options)
  await leaveAllRooms(parts, userId)
}

/** What a crash has cut short. To be run when the server starts. */
export async function finishDeactivations(parts: Parts): Promise<void> {
  for (const userId of await parts.userapi.unfinishedDeactivations()) await leaveAllRooms(parts, userId)
}

async function leaveAllRooms({ userapi, roomserver }: Parts, userId: UserId): Promise<void> {
  const memberships = await roomserver.memberships(userId)
  const present = [...memberships.values()].filter(({ membership }) => ['join', 'invite', 'knock'].includes(membership))
  if (present.length > 0) {
    const outcomes = await roomserver.sendAll(
      present.map(({ roomId }) => ({
        roomId,
        sender: userId,
        type: 'm.room.member',
        stateKey: userId,
        content: { membership: 'leave' },
      })),
    )
    throwUnexpected(outcomes)
  }
  await userapi.finishDeactivation(userId)
}
