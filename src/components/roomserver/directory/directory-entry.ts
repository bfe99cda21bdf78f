import {
  avatarUrlIn,
  canonicalAliasIn,
  creationIn,
  encryptionAlgorithmIn,
  guestAccessIn,
  historyVisibilityIn,
  joinRuleIn,
  roomNameIn,
  topicIn,
} from '../../../protocol/event/content.js'
import type { JsonObject } from '../../../protocol/json.js'
import type { PublicRoom } from '../api.js'

/** What the directory tells of a room from its state; counts and version come from the room itself. */
export type DirectoryEntry = Omit<PublicRoom, 'roomId' | 'joinedMembers' | 'roomVersion'>

/** State events that an entry is made of, all with the empty state key. */
export const DIRECTORY_TYPES = [
  'm.room.name',
  'm.room.topic',
  'm.room.canonical_alias',
  'm.room.avatar',
  'm.room.join_rules',
  'm.room.create',
  'm.room.history_visibility',
  'm.room.guest_access',
  'm.room.encryption',
] as const

/** Contents by event type. */
export function directoryEntryOf(state: ReadonlyMap<string, JsonObject>): DirectoryEntry {
  const read = <T>(type: (typeof DIRECTORY_TYPES)[number], reader: (content: JsonObject) => T): T | undefined => {
    const content = state.get(type)
    return content === undefined ? undefined : reader(content)
  }
  return {
    name: read('m.room.name', roomNameIn),
    topic: read('m.room.topic', topicIn),
    canonicalAlias: read('m.room.canonical_alias', (content) => canonicalAliasIn(content).alias),
    avatarUrl: read('m.room.avatar', avatarUrlIn),
    joinRule: joinRuleIn(state.get('m.room.join_rules')),
    roomType: read('m.room.create', (content) => creationIn(content).roomType),
    worldReadable: historyVisibilityIn(state.get('m.room.history_visibility')) === 'world_readable',
    guestCanJoin: guestAccessIn(state.get('m.room.guest_access')) === 'can_join',
    encryption: read('m.room.encryption', encryptionAlgorithmIn),
  }
}

/** Whether a search term, in lower case, is in what people read of a room. */
export function entryMatches({ name, topic, canonicalAlias }: DirectoryEntry, lowerCaseTerm: string): boolean {
  return [name, topic, canonicalAlias].some((text) => text?.toLowerCase().includes(lowerCaseTerm) === true)
}
