import { statement } from '../../../platform/statement.js'
import type { RoomId } from '../../../protocol/ids.js'

export interface RoomInfoRow {
  readonly room_nid: number
  readonly room_version: string
  readonly participating: boolean
}

export const SELECT_ROOM_INFO = statement<RoomInfoRow, [roomId: string]>(
  'roomserver.rooms.select_info',
  `SELECT room_nid, room_version, current_snapshot_id IS NOT NULL AS participating
  FROM roomserver.rooms WHERE room_id = $1`,
)

export const SELECT_CHANGED_ROOMS = statement<
  { readonly room_id: RoomId },
  [roomIds: readonly string[], after: number]
>(
  'roomserver.rooms.select_changed',
  'SELECT room_id FROM roomserver.rooms WHERE room_id = ANY($1::text[]) AND last_position > $2',
)
