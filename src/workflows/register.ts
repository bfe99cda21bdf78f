import { randomBytes } from 'node:crypto'
import type { AccountType, Login, NewLogin, UserApi } from '../components/userapi/index.js'
import { fitsBytes, isValidLocalpart, MAX_ID_BYTES, type UserId, userIdOf } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

export interface Registration {
  /** As the person typed it; capitals become small. Absent: one is made up. */
  readonly username?: string
  /** Absent: nobody can log in with one (guests, application services). */
  readonly password?: string
  /** Instead of `password`: what `userapi.hashPassword` has made of one that was checked. */
  readonly passwordHash?: string
  /** Used once more by this account. */
  readonly registrationToken?: string
  readonly type: AccountType
  /** By default the localpart; guests get none. */
  readonly displayName?: string
  /** Absent: the account is made and nobody is logged in. */
  readonly login?: Omit<NewLogin, 'userId'>
}

const SHORTEST_PASSWORD = 8
const LONGEST_PASSWORD = 512

/** @throws MatrixError M_WEAK_PASSWORD, M_INVALID_PARAM. Dendrite's limits. */
export function checkNewPassword(password: string): void {
  if (password.length > LONGEST_PASSWORD) {
    throw new MatrixError('M_INVALID_PARAM', `A password may have ${LONGEST_PASSWORD} characters`)
  }
  if (password.length < SHORTEST_PASSWORD) {
    throw new MatrixError('M_WEAK_PASSWORD', `A password needs ${SHORTEST_PASSWORD} characters`)
  }
}

/** The user id that a name would get. @throws MatrixError M_INVALID_USERNAME */
export function newUserId(userapi: Pick<UserApi, 'serverName'>, username: string): UserId {
  const localpart = username.toLowerCase()
  if (!isValidLocalpart(localpart)) {
    throw new MatrixError('M_INVALID_USERNAME', 'A username may only contain the characters a-z, 0-9, or ._=-/+')
  }
  const userId = userIdOf(localpart, userapi.serverName)
  if (!fitsBytes(userId, MAX_ID_BYTES)) throw new MatrixError('M_INVALID_USERNAME', 'The username is too long')
  return userId
}

/** The same, and nobody has it. @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE, M_EXCLUSIVE */
export async function availableUserId(
  userapi: Pick<UserApi, 'serverName' | 'isAvailable'>,
  username: string,
): Promise<UserId> {
  const userId = newUserId(userapi, username)
  if (!(await userapi.isAvailable(userId))) throw new MatrixError('M_USER_IN_USE', 'This user ID is taken')
  return userId
}

/**
 * Makes an account and, where asked for, its first login.
 * @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE, M_EXCLUSIVE, M_WEAK_PASSWORD, M_FORBIDDEN (registration token used up)
 */
export async function register(
  userapi: UserApi,
  registration: Registration,
): Promise<{ readonly userId: UserId; readonly login: Login | undefined }> {
  const { username, password, passwordHash, registrationToken, type, login } = registration
  if (password !== undefined) checkNewPassword(password)
  const userId = await availableUserId(userapi, username ?? `${type === 'guest' ? 'guest-' : ''}${newLocalpart()}`)
  const displayName = registration.displayName ?? (type === 'guest' ? undefined : (username ?? '').toLowerCase())
  await userapi.createAccount({
    userId,
    type,
    ...(password === undefined ? {} : { password }),
    ...(passwordHash === undefined ? {} : { passwordHash }),
    ...(registrationToken === undefined ? {} : { registrationToken }),
    ...(displayName === undefined || displayName === '' ? {} : { displayName }),
  })
  return { userId, login: login === undefined ? undefined : await userapi.login({ ...login, userId }) }
}

/** 80 random bits: nobody can guess or enumerate it, and no two are the same. */
function newLocalpart(): string {
  return randomBytes(10).toString('hex')
}
