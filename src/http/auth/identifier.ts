import type { UserApi } from '../../components/userapi/index.js'
import { localpartOf, parseUserId, type UserId, userIdOf } from '../../protocol/ids.js'
import { getObject, getString, type JsonObject } from '../../protocol/json.js'

/**
 * The user that a `m.login.password` names: `identifier` of type m.id.user, or the old `user` (CS "Identifier types"), as a
 * localpart or a whole id. Accounts have lower-case names, so a name with capitals means the one without, unless there
 * is such an account. Undefined: nobody of this server can be meant.
 */
export async function identifiedUser(
  userapi: Pick<UserApi, 'account' | 'serverName' | 'isLocal'>,
  login: JsonObject,
): Promise<UserId | undefined> {
  const identifier = getObject(login, 'identifier')
  const isUser = identifier === undefined || getString(identifier, 'type') === 'm.id.user'
  const name = isUser ? ((identifier && getString(identifier, 'user')) ?? getString(login, 'user')) : undefined
  if (name === undefined || name === '') return undefined
  const id = parseUserId(name.startsWith('@') ? name : `@${name}:${userapi.serverName}`)
  if (id === undefined || !userapi.isLocal(id)) return undefined
  const lower = userIdOf(localpartOf(id).toLowerCase(), userapi.serverName)
  return lower !== id && (await userapi.account(id)) === undefined ? lower : id
}
