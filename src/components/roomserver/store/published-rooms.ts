import { statement } from '../../../platform/statement.js'
import type { RoomId } from '../../../protocol/ids.js'

/** Rooms `p` of the server's own directory; those that application services publish name their network. */
const OWN_DIRECTORY = `p.appservice_id = '' AND p.network_id = ''`

export const INSERT_PUBLISHED = statement<never, [roomId: string]>(
  'roomserver.published_rooms.insert',
  'INSERT INTO roomserver.published_rooms (room_id) VALUES ($1) ON CONFLICT DO NOTHING',
)

export const DELETE_PUBLISHED = statement<never, [roomId: string]>(
  'roomserver.published_rooms.delete',
  `DELETE FROM roomserver.published_rooms p WHERE p.room_id = $1 AND ${OWN_DIRECTORY}`,
)

export const SELECT_IS_PUBLISHED = statement<{ readonly published: boolean }, [roomId: string]>(
  'roomserver.published_rooms.select_exists',
  `SELECT EXISTS (SELECT FROM roomserver.published_rooms p WHERE p.room_id = $1 AND ${OWN_DIRECTORY}) AS published`,
)

export interface PublishedRow {
  readonly room_id: RoomId
  readonly joined_members: number
  readonly room_version: string
}

/** Published rooms that have members, biggest first. */
export const SELECT_PUBLISHED = statement<PublishedRow>(
  'roomserver.published_rooms.select_all',
  `SELECT r.room_id, r.joined_members, r.room_version
  FROM roomserver.published_rooms p JOIN roomserver.rooms r ON r.room_id = p.room_id
  WHERE ${OWN_DIRECTORY} AND r.joined_members > 0
  ORDER BY r.joined_members DESC, r.room_id`,
)

/** Rooms that this server takes part in, as `SELECT_PUBLISHED` has them. */
export const SELECT_LISTABLE = statement<PublishedRow, [roomIds: readonly string[]]>(
  'roomserver.rooms.select_listable',
  `SELECT room_id, joined_members, room_version FROM roomserver.rooms
  WHERE room_id = ANY($1::text[]) AND current_snapshot_id IS NOT NULL`,
)
