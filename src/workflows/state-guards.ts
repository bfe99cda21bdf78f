import type { RoomServer } from '../components/roomserver/index.js'
import { canonicalAliasIn } from '../protocol/event/content.js'
import { parseRoomAlias, type RoomAlias, type RoomId, type ServerName } from '../protocol/ids.js'
import { getArray, getString, getValue, type JsonObject } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { compileServerAcl } from '../protocol/server-acl.js'

const VISIBILITIES: ReadonlySet<string> = new Set(['world_readable', 'shared', 'invited', 'joined'])

type Guard = (content: JsonObject, serverName: ServerName) => void

/** State that would harm its room or say nothing, and that the auth rules let through. */
const GUARDS: ReadonlyMap<string, Guard> = new Map<string, Guard>([
  [
    'm.room.encryption',
    (content) => {
      const algorithm = getString(content, 'algorithm')
      if (algorithm === undefined || algorithm === '') throw badJson('algorithm: a string is expected')
    },
  ],
  [
    'm.room.history_visibility',
    (content) => {
      // Whatever is unknown would count as `shared`: wider than what was meant.
      const visibility = getString(content, 'history_visibility')
      if (visibility === undefined || !VISIBILITIES.has(visibility)) throw badJson('history_visibility: unknown value')
    },
  ],
  [
    'm.room.server_acl',
    (content, serverName) => {
      if (compileServerAcl(content).allows(serverName)) return
      throw new MatrixError('M_INVALID_PARAM', 'This would shut this server itself out of the room')
    },
  ],
  [
    'm.room.redaction',
    () => {
      throw new MatrixError('M_INVALID_PARAM', 'A redaction is no state')
    },
  ],
])

/** @throws MatrixError M_BAD_JSON, M_INVALID_PARAM */
export function checkStateContent(type: string, content: JsonObject, serverName: ServerName): void {
  GUARDS.get(type)?.(content, serverName)
}

/** @throws MatrixError M_INVALID_PARAM */
export function checkTombstone(content: JsonObject, roomId: RoomId): void {
  if (getString(content, 'replacement_room') !== roomId) return
  throw new MatrixError('M_INVALID_PARAM', 'A room cannot be its own successor')
}

/**
 * Aliases that an `m.room.canonical_alias` names and the one before did not have to lead to the room (room_state.yaml).
 * Aliases of other servers cannot be asked for, so new ones lead nowhere.
 * @throws MatrixError M_BAD_JSON, M_INVALID_PARAM (not an alias), M_BAD_ALIAS
 */
export async function checkCanonicalAlias(
  roomserver: Pick<RoomServer, 'alias'>,
  { content, roomId, before }: { content: JsonObject; roomId: RoomId; before: JsonObject | undefined },
): Promise<void> {
  const known = canonicalAliasIn(before ?? {})
  const fine = new Set<string>([...(known.alias === undefined ? [] : [known.alias]), ...known.altAliases])
  for (const alias of aliasesNamedIn(content)) {
    if (fine.has(alias)) continue
    if ((await roomserver.alias(alias))?.roomId !== roomId) {
      throw new MatrixError('M_BAD_ALIAS', `Room alias ${alias} does not lead to this room`)
    }
  }
}

/** Each once. An empty or null `alias` is none. @throws MatrixError M_BAD_JSON, M_INVALID_PARAM */
export function aliasesNamedIn(content: JsonObject): Set<RoomAlias> {
  const alias = getValue(content, 'alias')
  const isSet = alias !== undefined && alias !== null && alias !== ''
  if (getValue(content, 'alt_aliases') !== undefined && getArray(content, 'alt_aliases') === undefined) {
    throw badJson('alt_aliases: a list is expected')
  }
  const named = [...(isSet ? [alias] : []), ...(getArray(content, 'alt_aliases') ?? [])]
  if (named.length > MAX_ALIASES) throw new MatrixError('M_INVALID_PARAM', `At most ${MAX_ALIASES} aliases`)
  const aliases = new Set<RoomAlias>()
  for (const name of named) {
    const parsed = typeof name === 'string' ? parseRoomAlias(name) : undefined
    if (parsed === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is no valid room alias')
    aliases.add(parsed)
  }
  return aliases
}

/** Each new one costs a look into the directory. */
const MAX_ALIASES = 200

function badJson(message: string): MatrixError {
  return new MatrixError('M_BAD_JSON', message)
}
