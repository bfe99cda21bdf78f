import type { RegistrationToken, RegistrationTokens } from './api.js'
import type { Context } from './context.js'
import {
  DELETE_REGISTRATION_TOKEN,
  INSERT_REGISTRATION_TOKEN,
  type RegistrationTokenRow,
  SELECT_REGISTRATION_TOKEN,
  SELECT_REGISTRATION_TOKENS,
  SELECT_USABLE_REGISTRATION_TOKEN,
  UPDATE_REGISTRATION_TOKEN,
} from './store/registration-tokens.js'

export function createRegistrationTokens({ database, time }: Context): RegistrationTokens {
  return {
    async createRegistrationToken({ token, usesAllowed, expiresTs }) {
      return first(await database.run(INSERT_REGISTRATION_TOKEN, token, usesAllowed ?? null, expiresTs ?? null))
    },

    async registrationTokens() {
      return (await database.run(SELECT_REGISTRATION_TOKENS)).map(tokenOf)
    },

    async registrationToken(token) {
      return first(await database.run(SELECT_REGISTRATION_TOKEN, token))
    },

    async changeRegistrationToken(token, { usesAllowed, expiresTs }) {
      const changed = await database.run(
        UPDATE_REGISTRATION_TOKEN,
        token,
        usesAllowed !== undefined,
        usesAllowed ?? null,
        expiresTs !== undefined,
        expiresTs ?? null,
      )
      return first(changed)
    },

    async deleteRegistrationToken(token) {
      return (await database.run(DELETE_REGISTRATION_TOKEN, token)).length > 0
    },

    async isRegistrationTokenValid(token) {
      return (await database.run(SELECT_USABLE_REGISTRATION_TOKEN, token, time.now())).length > 0
    },
  }
}

function first(rows: readonly RegistrationTokenRow[]): RegistrationToken | undefined {
  return rows[0] === undefined ? undefined : tokenOf(rows[0])
}

function tokenOf(row: RegistrationTokenRow): RegistrationToken {
  return {
    token: row.token,
    usesAllowed: row.uses_allowed ?? undefined,
    completed: row.completed,
    expiresTs: row.expires_ts ?? undefined,
  }
}
