import type { Executor } from '../../platform/database.js'
import { serverNameOf, type UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { accountTypeNumber } from './account-cache.js'
import type { Accounts } from './api.js'
import { announceDevices, type Context, TOPICS } from './context.js'
import { createPasswords } from './passwords.js'
import { DELETE_OTHER_TOKENS } from './store/access-tokens.js'
import { DELETE_ACCOUNT_DATA } from './store/account-data.js'
import {
  DEACTIVATE_ACCOUNT,
  INSERT_ACCOUNT,
  SELECT_ACTIVE_ACCOUNTS,
  SELECT_LEAVING_ACCOUNTS,
  SELECT_PASSWORD_HASH,
  UPDATE_ACCOUNT_TYPE,
  UPDATE_LEFT_ACCOUNT,
  UPDATE_LOCKED,
  UPDATE_PASSWORD_HASH,
  UPDATE_SUSPENDED,
} from './store/accounts.js'
import { DELETE_OTHER_DEVICES } from './store/devices.js'
import { CLEAR_PROFILE } from './store/profiles.js'
import { DELETE_PURPOSE_TOKENS_OF } from './store/purpose-tokens.js'
import { USE_REGISTRATION_TOKEN } from './store/registration-tokens.js'

export function createAccounts(context: Context): Accounts {
  const { database, bus, accounts, time, serverName } = context
  const passwords = createPasswords(context.config.bcrypt_cost)

  const mustExist = (rows: readonly unknown[], userId: UserId): void => {
    if (rows.length === 0) throw new MatrixError('M_NOT_FOUND', `There is no account ${userId}`)
    bus.publish(TOPICS.accounts, [userId])
  }

  return {
    account: async (userId) => (await accounts.get(userId))?.account,

    async createAccount({ userId, password, passwordHash, registrationToken, type, appserviceId, displayName }) {
      if (serverNameOf(userId) !== serverName) throw new MatrixError('M_INVALID_USERNAME', 'Not a user of this server')
      const hash = password === undefined ? (passwordHash ?? null) : await passwords.hash(password)
      const insert = async (executor: Executor): Promise<void> => {
        const made = await executor.run(
          INSERT_ACCOUNT,
          userId,
          accountTypeNumber(type),
          time.now(),
          hash,
          appserviceId ?? null,
          JSON.stringify(displayName === undefined ? {} : { displayname: displayName }),
        )
        if (made.length === 0) throw new MatrixError('M_USER_IN_USE', 'This user ID is taken')
      }
      if (registrationToken === undefined) await insert(database)
      else {
        await database.transaction(async (tx) => {
          const used = await tx.run(USE_REGISTRATION_TOKEN, registrationToken, time.now())
          if (used.length === 0) throw new MatrixError('M_FORBIDDEN', 'The registration token is used up')
          await insert(tx)
        })
      }
      bus.publish(TOPICS.accounts, [userId])
      bus.publish(TOPICS.profiles, [userId])
      const created = await accounts.get(userId)
      if (created === undefined) throw new Error(`the account ${userId} is gone after it was made`)
      return created.account
    },

    // A deactivated account's name is never given to somebody else.
    isAvailable: async (userId) => (await accounts.get(userId)) === undefined,

    async checkPassword(userId, password) {
      const [row] = await database.run(SELECT_PASSWORD_HASH, userId)
      return passwords.verify(password, row?.password_hash)
    },

    async setPassword(userId, password) {
      mustExist(await database.run(UPDATE_PASSWORD_HASH, userId, await passwords.hash(password)), userId)
    },

    hashPassword: (password) => passwords.hash(password),

    async setLocked(userId, locked) {
      mustExist(await database.run(UPDATE_LOCKED, userId, locked), userId)
    },

    async setSuspended(userId, suspended) {
      mustExist(await database.run(UPDATE_SUSPENDED, userId, suspended), userId)
    },

    async setAccountType(userId, type) {
      mustExist(await database.run(UPDATE_ACCOUNT_TYPE, userId, accountTypeNumber(type)), userId)
    },

    async deactivate(userId, { erase }) {
      await database.transaction(async (tx) => {
        await Promise.all([
          tx.run(DEACTIVATE_ACCOUNT, userId),
          tx.run(DELETE_OTHER_DEVICES, userId, null),
          tx.run(DELETE_OTHER_TOKENS, userId, null),
          tx.run(DELETE_PURPOSE_TOKENS_OF, userId),
          ...(erase ? [tx.run(CLEAR_PROFILE, userId), tx.run(DELETE_ACCOUNT_DATA, userId)] : []),
        ])
        await announceDevices(context, tx, userId)
        tx.afterCommit(() => {
          bus.publish(TOPICS.profiles, [userId])
          bus.publish(TOPICS.ignored, [userId])
        })
      })
    },

    async unfinishedDeactivations() {
      return (await database.run(SELECT_LEAVING_ACCOUNTS)).map((row) => row.user_id)
    },

    async finishDeactivation(userId) {
      await database.run(UPDATE_LEFT_ACCOUNT, userId)
    },

    async existing(userIds) {
      const local = userIds.filter((userId) => serverNameOf(userId) === serverName)
      if (local.length === 0) return new Set()
      return new Set((await database.run(SELECT_ACTIVE_ACCOUNTS, local)).map((row) => row.user_id))
    },
  }
}
