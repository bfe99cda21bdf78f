import { getString, isJsonObject, JsonError, type JsonValue, parseStoredJson } from '../../../protocol/json.js'
import type { RoomMembership } from '../../roomserver/index.js'
import { eventsText } from '../json-text.js'
import type { SyncSources, SyncView } from '../sync-view.js'

export const INVITE_PERMISSION = 'm.invite_permission_config'

/** Invites that are to be shown: none while the user blocks them. CS API "Invite permission", "Server behaviour". */
export async function shownInvites(
  { userapi }: SyncSources,
  { requester }: SyncView,
  invited: readonly RoomMembership[],
): Promise<readonly RoomMembership[]> {
  if (invited.length === 0) return invited
  const config = await userapi.accountData(requester.userId, undefined, INVITE_PERMISSION)
  const content = config === undefined ? undefined : parseStoredJson(config.content)
  return isJsonObject(content) && getString(content, 'default_action') === 'block' ? [] : invited
}

export function inviteText(room: RoomMembership): string {
  return `{"invite_state":${strippedText(room)}}`
}

export function knockText(room: RoomMembership): string {
  return `{"knock_state":${strippedText(room)}}`
}

/** Whatever another server has sent along, the client gets a list of events. */
function strippedText({ strippedState }: RoomMembership): string {
  return strippedState !== undefined && isArrayOfObjects(strippedState) ? `{"events":${strippedState}}` : eventsText([])
}

function isArrayOfObjects(text: string): boolean {
  let value: JsonValue
  try {
    value = parseStoredJson(text)
  } catch (error) {
    if (error instanceof JsonError) return false
    throw error
  }
  return Array.isArray(value) && value.every((element) => isJsonObject(element))
}
