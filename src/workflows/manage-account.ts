import type { UserApi } from '../components/userapi/index.js'
import { localpartOf, type UserId } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { newUserId } from './register.js'

/** What an operator asks for on the machine itself, through `create-account`. */
export interface AccountOrder {
  readonly localpart: string
  readonly password: string
  readonly admin: boolean
  /** Gives an account that is there a new password instead of making one. */
  readonly resetPassword: boolean
}

/**
 * Makes an account, or sets its password; logins that are there go on.
 * @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE, M_NOT_FOUND, M_USER_DEACTIVATED
 */
export async function manageAccount(userapi: UserApi, order: AccountOrder): Promise<UserId> {
  const userId = newUserId(userapi, order.localpart)
  if (order.resetPassword) {
    const account = await userapi.account(userId)
    if (account === undefined) throw new MatrixError('M_NOT_FOUND', `${userId} has no account here`)
    if (account.deactivated) throw new MatrixError('M_USER_DEACTIVATED', `${userId} is deactivated`)
    await userapi.setPassword(userId, order.password)
    if (order.admin && account.type !== 'admin') await userapi.setAccountType(userId, 'admin')
    return userId
  }
  const type = order.admin ? 'admin' : 'user'
  await userapi.createAccount({ userId, password: order.password, type, displayName: localpartOf(userId) })
  return userId
}
