import type { RoomServer } from '../components/roomserver/index.js'
import type { UserApi } from '../components/userapi/index.js'
import type { UserId } from '../protocol/ids.js'
import { evacuateUser } from './evacuate.js'

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

/** What a crash or a failure has cut short. To be run when the server starts, and now and then. */
export async function finishDeactivations(parts: Parts): Promise<void> {
  for (const userId of await parts.userapi.unfinishedDeactivations()) await leaveAllRooms(parts, userId)
}

async function leaveAllRooms({ userapi, roomserver }: Parts, userId: UserId): Promise<void> {
  await evacuateUser(roomserver, userId)
  await userapi.finishDeactivation(userId)
}
