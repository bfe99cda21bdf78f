import { statement } from '../../../platform/statement.js'
import type { RoomAlias, RoomId, UserId } from '../../../protocol/ids.js'

/** No row: the alias is taken. */
export const INSERT_ALIAS = statement<
  { readonly alias: RoomAlias },
  [alias: string, roomId: string, creator: string, nowMs: number]
>(
  'roomserver.room_aliases.insert',
  `INSERT INTO roomserver.room_aliases (alias, room_id, creator, created_ts) VALUES ($1, $2, $3, $4)
  ON CONFLICT (alias) DO NOTHING RETURNING alias`,
)

export const DELETE_ALIAS = statement<never, [alias: string]>(
  'roomserver.room_aliases.delete',
  'DELETE FROM roomserver.room_aliases WHERE alias = $1',
)

export const SELECT_ALIAS = statement<{ readonly room_id: RoomId; readonly creator: UserId }, [alias: string]>(
  'roomserver.room_aliases.select',
  'SELECT room_id, creator FROM roomserver.room_aliases WHERE alias = $1',
)

export const SELECT_ALIASES_OF_ROOM = statement<{ readonly alias: RoomAlias }, [roomId: string]>(
  'roomserver.room_aliases.select_of_room',
  'SELECT alias FROM roomserver.room_aliases WHERE room_id = $1 ORDER BY created_ts, alias',
)
