import type { Database } from '../../platform/database.js'
import type { UserId } from '../../protocol/ids.js'
import { getString, isJsonObject, type JsonValue, parseStoredJson } from '../../protocol/json.js'
import type { RoomEvent, RoomServer } from '../roomserver/index.js'
import type { NotificationPage, NotificationStore } from './api.js'
import { SELECT_UNREAD_PAGE } from './store/unread-events.js'

export interface NotificationDeps {
  readonly database: Database
  readonly roomserver: Pick<RoomServer, 'events' | 'visibleTo'>
}

/** What users have been told of and have not read yet. */
export function createNotifications({ database, roomserver }: NotificationDeps): NotificationStore {
  return {
    async notifications({ userId, before, onlyHighlights, limit }): Promise<NotificationPage> {
      const rows = await database.run(SELECT_UNREAD_PAGE, userId, before ?? null, onlyHighlights, limit + 1)
      const page = rows.slice(0, limit)
      const events = await roomserver.events(page.map((row) => row.event_id))
      const visible = new Set<RoomEvent>(await roomserver.visibleTo(userId, [...events.values()]))
      const notifications = page.flatMap((row) => {
        const event = events.get(row.event_id)
        if (event === undefined || !(visible.has(event) || isAbout(userId, event))) return []
        return [{ event, roomId: row.room_id, ts: row.created_ts, actions: actionsOf(row.actions) }]
      })
      return { notifications, next: rows.length > limit ? page.at(-1)?.position : undefined }
    },
  }
}

/** An invite is shown to whom it is for, also when nothing else of the room may be. */
function isAbout(userId: UserId, { type, stateKey }: RoomEvent): boolean {
  return type === 'm.room.member' && stateKey === userId
}

/** Actions as they are stored with what is unread. */
export function actionsOf(stored: string): readonly JsonValue[] {
  if (stored === '') return ['notify']
  const actions = parseStoredJson(stored)
  return Array.isArray(actions) ? actions : []
}

/** The tweaks among them, as a push gateway gets them. `highlight` without a value is true. */
export function tweaksOf(actions: readonly JsonValue[]): Record<string, JsonValue> {
  const tweaks: Record<string, JsonValue> = Object.create(null)
  for (const action of actions) {
    if (!isJsonObject(action)) continue
    const name = getString(action, 'set_tweak')
    const value = action.value ?? (name === 'highlight' ? true : undefined)
    if (name !== undefined && value !== undefined) tweaks[name] = value
  }
  return tweaks
}
